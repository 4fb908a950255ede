import { makeSvg } from "../shared/dom.js";
import { formatNumber } from "../shared/numbers.js";
import { isBeyond, rangeOf } from "./histogram.js";

const NARROWEST = 320;
const HEIGHT = 272;
const MARGIN = { left: 46, right: 10, top: 16, bottom: 30 };
const TICKS = 5;
const HANDLE_TOP = 12;
const FLOOR = HEIGHT - MARGIN.bottom;

/** The histogram as a picture, with a line at the threshold. */
export class Plot {
  constructor(bins, width, label) {
    this.bins = bins;
    this.range = rangeOf(bins);
    this.width = Math.max(width, NARROWEST);
    this.most = Math.max(...bins.map(([, , count]) => count), 1);
    this.columns = bins.map((bin) => this.makeColumn(bin));
    this.line = makeSvg("line", { class: "line", y1: 6, y2: FLOOR });
    this.handle = makeSvg("circle", { class: "handle", cy: HANDLE_TOP, r: 8 });
    this.element = this.makeElement(label);
    this.element.append(this.makeAxis(), ...this.columns, ...this.makeTicks(), ...this.makeCounts());
    this.element.append(this.line, this.handle);
  }

  makeElement(label) {
    const { low, high } = this.range;
    const size = { viewBox: `0 0 ${this.width} ${HEIGHT}`, width: this.width, height: HEIGHT };
    const slider = { role: "slider", tabindex: 0, "aria-valuemin": low, "aria-valuemax": high };
    return makeSvg("svg", { ...size, ...slider, "aria-label": `Threshold on ${label}` });
  }

  makeColumn([low, high, count]) {
    const [left, right] = [this.x(low), this.x(high)];
    const height = this.height(count);
    const rectangle = { x: left + 0.5, y: FLOOR - height, width: Math.max(right - left - 1, 1), height };
    return makeSvg("rect", { class: "column", ...rectangle });
  }

  makeAxis() {
    return makeSvg("line", { class: "axis", x1: MARGIN.left, x2: this.width - MARGIN.right, y1: FLOOR, y2: FLOOR });
  }

  makeTicks() {
    return Array.from({ length: TICKS + 1 }, (_, k) => {
      const value = this.range.low + (this.range.span * k) / TICKS;
      const anchor = k === TICKS ? "end" : "middle";
      return makeSvg("text", { x: this.x(value), y: HEIGHT - 10, "text-anchor": anchor, text: formatNumber(value) });
    });
  }

  makeCounts() {
    return [0.25, 0.5, 1].map((share) => {
      const count = this.most * share;
      const place = { x: MARGIN.left - 6, y: FLOOR - this.height(count) + 4, "text-anchor": "end" };
      return makeSvg("text", { ...place, text: formatNumber(count, 2) });
    });
  }

  showThreshold(threshold, up) {
    const x = this.x(threshold);
    for (const [k, bin] of this.bins.entries()) {
      this.columns[k].classList.toggle("beyond", isBeyond(bin, threshold, up));
    }
    this.line.setAttribute("x1", x);
    this.line.setAttribute("x2", x);
    this.handle.setAttribute("cx", x);
    this.element.setAttribute("aria-valuenow", threshold);
  }

  /** The value under the pointer. */
  valueAt({ clientX }) {
    const { left, width } = this.element.getBoundingClientRect();
    const x = ((clientX - left) / width) * this.width;
    return this.range.low + ((x - MARGIN.left) / this.plotWidth) * this.range.span;
  }

  get plotWidth() {
    return this.width - MARGIN.left - MARGIN.right;
  }

  x(value) {
    return MARGIN.left + ((value - this.range.low) / this.range.span) * this.plotWidth;
  }

  /** By the root of the count: the few that matter would vanish beside the many that do not. */
  height(count) {
    return Math.sqrt(count / this.most) * (FLOOR - MARGIN.top);
  }
}
