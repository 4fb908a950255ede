// The case: an image at any zoom with its heat map, and what it is compared with. Python says which item and what is known of
// it; everything else happens here, and no step asks the server again for what it has sent.
import { whileHere } from "../shared/leaving.js";
import { PAGES, Viewer } from "./viewer.js";

/** Called by Streamlit at first and after every rerun; returns what it calls when the component goes. */
export default function mount({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".odd");
  if (root.viewer?.run !== data.run) {
    root.viewer?.unmount();
    root.viewer = new Viewer(root, data);
  }
  root.viewer.update(data, whileHere(setTriggerValue, PAGES));
  return root.viewer.unmount;
}
