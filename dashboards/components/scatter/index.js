// A map of points: a line drawn around some of them takes these. By keys, arrows move a cross, Enter sets corners of the line
// and C closes it.
import { make } from "../shared/dom.js";
import { whileHere } from "../shared/leaving.js";
import { Scatter } from "./scatter.js";

/** Called by Streamlit at first and after every rerun. */
export default function mount({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".odd");
  const trigger = whileHere(setTriggerValue);
  const onChosen = (indices) => trigger("chosen", indices);
  if (root.scatter?.about === data.about) root.scatter.update(data, onChosen);
  else {
    root.scatter?.unmount();
    root.scatter = new Scatter(data, onChosen);
    root.replaceChildren(makeLegend(data.states), root.scatter.element, root.scatter.said);
  }
  return () => root.scatter.unmount();
}

function makeLegend(states) {
  const entries = states.map(({ name, colour, count }) =>
    make("li", {}, make("span", { class: "swatch", style: `background:${colour}` }), `${name} (${count})`),
  );
  return make("ul", { class: "legend", "aria-label": "Colours" }, ...entries);
}
