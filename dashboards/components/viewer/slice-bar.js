import { make, setVisible } from "../shared/dom.js";
import { clamp } from "../shared/numbers.js";
import { input } from "../shared/toolbar.js";

const MILLISECONDS_PER_SLICE = 120;

/** The slices of a series, frames of a video: a slider, and a button that plays them. */
export class SliceBar {
  /** @param onSelect - called with the item of a slice that was chosen. */
  constructor(onSelect) {
    this.onSelect = onSelect;
    this.slices = [];
    this.index = -1;
    const select = () => this.select(Number(this.slider.value));
    const options = { min: 0, max: 0, step: 1, value: 0, style: "flex:1", oninput: select };
    this.slider = input("range", "Slice", options);
    this.count = make("span");
    this.element = make(
      "div",
      { class: "bar" },
      make("label", { style: "flex:1" }, "Slice", this.slider),
      this.count,
      make("button", { "aria-label": "Play the slices", onclick: () => this.togglePlay() }, "Play"),
    );
  }

  get hasSeveral() {
    return this.slices.length > 1;
  }

  setSlices(slices) {
    this.slices = slices;
    this.slider.max = Math.max(slices.length - 1, 0);
    setVisible(this.element, this.hasSeveral);
  }

  /** Shows where an item is. */
  showItem(item) {
    this.index = this.slices.findIndex((slice) => slice.item === item);
    this.slider.value = this.index;
    this.count.textContent = this.hasSeveral ? `${this.index + 1} of ${this.slices.length}` : "";
  }

  /** The slice that is shown; undefined where the item is none of a series. */
  get current() {
    return this.slices[this.index];
  }

  select(index) {
    if (!this.slices.length) return;
    const { item } = this.slices[clamp(index, 0, this.slices.length - 1)];
    if (item !== this.current?.item) this.onSelect(item);
  }

  step(by) {
    if (this.hasSeveral) this.select(this.index + by);
  }

  togglePlay() {
    if (this.timer) this.stop();
    else this.playNext();
  }

  playNext() {
    this.select((this.index + 1) % this.slices.length);
    this.timer = setTimeout(() => this.playNext(), MILLISECONDS_PER_SLICE);
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = null;
  }
}
