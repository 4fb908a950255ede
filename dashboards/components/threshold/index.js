// A histogram with a threshold that can be dragged, or moved with the arrow keys: how long the queue becomes is estimated here
// while it moves, and counted by the run's table when it is let go.
import { make } from "../shared/dom.js";
import { followPointer } from "../shared/drag.js";
import { formatNumber } from "../shared/numbers.js";
import { clampTo, estimateCount, thresholdAfterKey } from "./histogram.js";
import { Plot } from "./plot.js";

const KEY_PAUSE = 300; // milliseconds without another key, before a threshold counts

/** Called by Streamlit at first and after every rerun. */
export default function mount({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".odd");
  if (!data.bins.length) return root.replaceChildren(make("p", { text: "There are no values to show." }));
  const threshold = new Threshold(data, root.clientWidth, (value) => setStateValue("threshold", value));
  return root.replaceChildren(...threshold.elements);
}

class Threshold {
  constructor({ bins, threshold, up, label, count }, width, onSet) {
    Object.assign(this, { bins, up, label, onSet });
    this.plot = new Plot(bins, width, label);
    this.queue = make("div", { class: "queue", role: "status", "aria-live": "polite" });
    this.plot.element.addEventListener("pointerdown", (event) => this.drag(event));
    this.plot.element.addEventListener("keydown", (event) => this.press(event));
    this.moveTo(threshold, count);
  }

  get elements() {
    return [this.queue, this.plot.element];
  }

  /** @param count - how many are in the queue, where that was counted. */
  moveTo(threshold, count) {
    this.threshold = clampTo(this.plot.range, threshold);
    this.plot.showThreshold(this.threshold, this.up);
    const sign = this.up ? "≥" : "≤";
    const items = count ?? `about ${Math.round(estimateCount(this.bins, this.threshold, this.up))}`;
    this.queue.textContent = `${this.label} ${sign} ${formatNumber(this.threshold, 4)}: ${items} items in the queue`;
  }

  drag(event) {
    const move = (moved) => this.moveTo(this.plot.valueAt(moved));
    move(event);
    followPointer(this.plot.element, event, move, () => this.onSet(this.threshold));
  }

  press(event) {
    const threshold = thresholdAfterKey(this.plot.range, this.threshold, event.key);
    if (threshold === undefined) return;
    event.preventDefault();
    this.moveTo(threshold);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.onSet(this.threshold), KEY_PAUSE);
  }
}
