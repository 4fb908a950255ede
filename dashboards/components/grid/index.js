// The triage queue: a virtual grid, in which only the cells in sight exist. Rows come in pages from the run's table, which
// sorts and filters; verdicts go straight to the store. The address bar always holds the view, so that it can be sent.
import { whileHere } from "../shared/leaving.js";
import { Grid, PAGES } from "./grid.js";

/** Called by Streamlit at first and after every rerun; returns what it calls when the component goes. */
export default function mount({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".odd");
  const isSame = root.grid?.run === data.run && root.grid.initialQuery === data.query;
  if (!isSame) {
    root.grid?.unmount();
    root.grid = new Grid(root, data);
  }
  root.grid.update(data, whileHere(setTriggerValue, PAGES));
  return root.grid.unmount;
}
