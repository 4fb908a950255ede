// A table of records: a row opens what it is about, and has buttons for what else can be done with it.
import { whileHere } from "../shared/leaving.js";
import { makeTable } from "./table.js";

/** Called by Streamlit at first and after every rerun. */
export default function mount({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".odd");
  const trigger = whileHere(setTriggerValue);
  const onOpen = data.opens ? (key) => trigger("open", key) : null;
  const onAct = (key, name) => trigger("act", { key, name });
  const focused = root.querySelector(":focus")?.id;
  root.replaceChildren(makeTable(data, { onOpen, onAct }));
  if (focused) root.querySelector(`#${CSS.escape(focused)}`)?.focus();
}
