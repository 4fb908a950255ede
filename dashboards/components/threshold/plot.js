import { make, makeSvg } from "../shared/dom.js";
import { clamp, formatNumber } from "../shared/numbers.js";
import { axisOf, binAt, isBeyond, ticksOf } from "./histogram.js";

const NARROWEST = 300;
const HEIGHT = 272;
const MARGIN = { left: 46, right: 12, top: 16, bottom: 30 };
const ROOM_OF_TICK = 100; // pixels
const HANDLE_TOP = 12;
const FLOOR = HEIGHT - MARGIN.bottom;

/** The histogram as a picture, with a line at the threshold. */
export class Plot {
  constructor({ bins, isLog, parts, label }, width) {
    this.bins = bins;
    this.parts = parts;
    this.axis = axisOf(bins, isLog);
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
    const size = { viewBox: `0 0 ${this.width} ${HEIGHT}`, width: this.width, height: HEIGHT };
    const range = { "aria-valuemin": this.axis.low, "aria-valuemax": this.axis.high };
    return makeSvg("svg", { ...size, role: "slider", tabindex: 0, ...range, "aria-label": `Threshold on ${label}` });
  }

  /** One bar, a rectangle for each part that has items in it. */
  makeColumn([low, high, count, counts]) {
    const [left, right] = [this.x(low), this.x(high)];
    const whole = this.height(count);
    const column = makeSvg("g", { class: "column" });
    let top = FLOOR;
    for (const [k, part] of (counts ?? [count]).entries()) {
      const height = count ? (whole * part) / count : 0;
      top -= height;
      const box = { x: left + 0.5, y: top, width: Math.max(right - left - 1, 1), height };
      if (part) column.append(makeSvg("rect", { class: this.parts.length > 1 ? `part-${k}` : "alone", ...box }));
    }
    return column;
  }

  makeAxis() {
    return makeSvg("line", { class: "axis", x1: MARGIN.left, x2: this.width - MARGIN.right, y1: FLOOR, y2: FLOOR });
  }

  makeTicks() {
    const ticks = clamp(Math.floor(this.plotWidth / ROOM_OF_TICK), 2, 8);
    return ticksOf(this.axis, ticks).map((value) => {
      const anchor = this.axis.share(value) > 0.97 ? "end" : "middle";
      return makeSvg("text", { x: this.x(value), y: HEIGHT - 10, "text-anchor": anchor, text: formatNumber(value) });
    });
  }

  makeCounts() {
    const counts = new Set([0.25, 0.5, 1].map((share) => Math.round(this.most * share)).filter(Boolean));
    return [...counts].map((count) => {
      const place = { x: MARGIN.left - 6, y: FLOOR - this.height(count) + 4, "text-anchor": "end" };
      return makeSvg("text", { ...place, text: formatNumber(count) });
    });
  }

  showThreshold(threshold, up) {
    const x = this.x(threshold);
    for (const [k, bin] of this.bins.entries()) {
      this.columns[k].classList.toggle("beyond", isBeyond(this.axis, bin, threshold, up));
    }
    this.line.setAttribute("x1", x);
    this.line.setAttribute("x2", x);
    this.handle.setAttribute("cx", x);
    this.element.setAttribute("aria-valuenow", threshold);
  }

  /** The value under the pointer. */
  valueAt(event) {
    return this.axis.valueAt(this.shareAt(event));
  }

  /** The index of the bar under the pointer. */
  binAt(event) {
    return binAt(this.axis, this.bins, this.shareAt(event));
  }

  shareAt({ clientX }) {
    const { left, width } = this.element.getBoundingClientRect();
    return (((clientX - left) / width) * this.width - MARGIN.left) / this.plotWidth;
  }

  get plotWidth() {
    return this.width - MARGIN.left - MARGIN.right;
  }

  x(value) {
    return MARGIN.left + this.axis.share(value) * this.plotWidth;
  }

  /** By the root of the count: the few that matter would vanish beside the many that do not. */
  height(count) {
    return Math.sqrt(count / this.most) * (FLOOR - MARGIN.top);
  }
}

/** What the colours stand for. */
export function makeLegend(parts) {
  const entries = parts.map((name, k) => make("li", {}, make("span", { class: `swatch part-${k}` }), name));
  return make("ul", { class: "legend", "aria-label": "Colours" }, ...entries);
}

/** The bars once more as a list, for those who cannot click on a picture. */
export function makeBarList(bins, label, onOpen) {
  const filled = bins.map((bin, index) => [bin, index]).filter(([[, , count]]) => count);
  const buttons = filled.map(([[low, high, count], index]) => {
    const text = `${formatNumber(low)} to ${formatNumber(high)}: ${count}`;
    return make("button", {
      text,
      "aria-label": `Open ${count} items, ${label} ${text}`,
      onclick: () => onOpen(index),
    });
  });
  return make("details", {}, make("summary", { text: "Bars as a list" }), make("div", { class: "bars" }, ...buttons));
}
