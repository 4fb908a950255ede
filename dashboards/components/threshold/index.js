// A histogram with a threshold that can be dragged, or moved with the arrow keys: how long the queue becomes is estimated here
// while it moves, and counted by the run's table when it is let go. A click on a bar opens its images.
import { make } from "../shared/dom.js";
import { followPointer } from "../shared/drag.js";
import { whileHere } from "../shared/leaving.js";
import { formatNumber } from "../shared/numbers.js";
import { clampTo, estimateCount, thresholdAfterKey } from "./histogram.js";
import { makeBarList, makeLegend, Plot } from "./plot.js";

const KEY_PAUSE = 300; // milliseconds without another key, before a threshold counts
const STILL = 4; // pixels that a click may move

/** Called by Streamlit at first and after every rerun. */
export default function mount({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".odd");
  if (!data.bins.length) return root.replaceChildren(make("p", { text: "There are no values to show." }));
  const isOpen = root.querySelector("details")?.open;
  const trigger = whileHere(setTriggerValue);
  const threshold = new Threshold(data, root.clientWidth, {
    onSet: (value) => setStateValue("threshold", value),
    onOpen: (index) => trigger("bar", index),
  });
  root.replaceChildren(...threshold.elements);
  if (isOpen) root.querySelector("details").open = true;
  return undefined;
}

class Threshold {
  constructor(data, width, { onSet, onOpen }) {
    Object.assign(this, { bins: data.bins, up: data.up, label: data.label, onSet, onOpen });
    this.plot = new Plot(data, width);
    this.queue = make("div", { class: "queue", role: "status", "aria-live": "polite" });
    this.plot.element.addEventListener("pointerdown", (event) => this.drag(event));
    this.plot.element.addEventListener("keydown", (event) => this.press(event));
    this.legend = data.parts.length > 1 ? [makeLegend(data.parts)] : [];
    this.list = makeBarList(this.bins, this.label, onOpen);
    this.moveTo(data.threshold, data.count);
  }

  get elements() {
    return [this.queue, ...this.legend, this.plot.element, this.list];
  }

  /** @param count - how many are in the queue, where that was counted. */
  moveTo(threshold, count) {
    const { axis } = this.plot;
    this.threshold = clampTo(axis, threshold);
    this.plot.showThreshold(this.threshold, this.up);
    const sign = this.up ? "≥" : "≤";
    const items = count ?? `about ${Math.round(estimateCount(axis, this.bins, this.threshold, this.up))}`;
    this.queue.textContent = `${this.label} ${sign} ${formatNumber(this.threshold, 4)}: ${items} items in the queue`;
  }

  drag(event) {
    let isDragged = false;
    const move = (moved) => {
      isDragged ||= Math.abs(moved.clientX - event.clientX) > STILL;
      if (isDragged) this.moveTo(this.plot.valueAt(moved));
    };
    followPointer(this.plot.element, event, move, () => (isDragged ? this.onSet(this.threshold) : this.open(event)));
  }

  open(event) {
    const index = this.plot.binAt(event);
    if (this.bins[index][2]) this.onOpen(index);
  }

  press(event) {
    const threshold = thresholdAfterKey(this.plot.axis, this.threshold, event.key);
    if (threshold === undefined) return;
    event.preventDefault();
    this.moveTo(threshold);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.onSet(this.threshold), KEY_PAUSE);
  }
}
