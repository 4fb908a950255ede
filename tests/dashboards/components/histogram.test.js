import assert from "node:assert/strict";
import { test } from "node:test";
import { rangeText } from "../../../dashboards/components/grid/view-query.js";
import {
  axisOf,
  binAt,
  clampTo,
  estimateCount,
  isBeyond,
  thresholdAfterKey,
  ticksOf,
} from "../../../dashboards/components/threshold/histogram.js";

const DECADES = [
  [0.001, 0.01, 4],
  [0.01, 0.1, 2],
  [0.1, 1, 10],
];
const BINS = [
  [0, 1, 10],
  [1, 2, 4],
  [2, 4, 6],
];
const LINE = axisOf(BINS);
const near = (value, wanted) => assert.ok(Math.abs(value - wanted) < 1e-9, `${value} is not ${wanted}`);

test("a logarithmic axis gives each decade the same room", () => {
  const axis = axisOf(DECADES, true);
  near(axis.share(0.01), 1 / 3);
  near(axis.valueAt(2 / 3), 0.1);
  assert.equal(axis.valueAt(2), 1);
  near(axisOf(DECADES, false).share(0.1), 0.099 / 0.999);
});

test("an axis that cannot be logarithmic is linear, and one value alone divides by nothing", () => {
  near(axisOf([[0, 1, 3]], true).share(0.5), 0.5);
  assert.equal(axisOf([[2, 2, 3]], false).share(2), 0);
});

test("what a threshold cuts off is told along the axis", () => {
  const axis = axisOf(DECADES, true);
  near(estimateCount(axis, DECADES, 0.01, false), 4);
  near(estimateCount(axis, DECADES, Math.sqrt(0.001), false), 5);
  near(estimateCount(axis, DECADES, 0.1, true), 10);
  assert.deepEqual(
    DECADES.map((bin) => isBeyond(axis, bin, 0.1, false)),
    [true, true, false],
  );
});

test("arrow keys cross either axis in the same number of steps", () => {
  const axis = axisOf(DECADES, true);
  near(Math.log10(thresholdAfterKey(axis, 0.01, "ArrowRight")), -2 + 3 / 200);
  assert.equal(thresholdAfterKey(axis, 0.01, "x"), undefined);
});

test("a click finds the bar that it is on, and the last one at the end", () => {
  const axis = axisOf(DECADES, true);
  assert.deepEqual(
    [0, 0.4, 0.99, 1, 1.2].map((share) => binAt(axis, DECADES, share)),
    [0, 1, 2, 2, 2],
  );
});

test("ticks are round on a logarithmic axis, and as few as there is room for", () => {
  const axis = axisOf(DECADES, true);
  assert.deepEqual(
    ticksOf(axis, 12).map((tick) => Number(tick.toPrecision(3))),
    [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1],
  );
  assert.ok(ticksOf(axis, 4).length <= 4);
  assert.deepEqual(ticksOf(axisOf([[0, 4, 1]], false), 2), [0, 2, 4]);
});

test("the range of a bar in words", () => {
  assert.equal(rangeText("p_value:0.01:0.02"), "p 0.01 to 0.02");
  assert.equal(rangeText("raw:1.5:"), "oddness from 1.5");
  assert.equal(rangeText("raw::1.5"), "oddness below 1.5");
  assert.equal(rangeText(null), "");
});

test("the queue is estimated within a bin, and is everything or nothing at its ends", () => {
  assert.equal(estimateCount(LINE, BINS, 3, true), 3);
  assert.equal(estimateCount(LINE, BINS, 3, false), 17);
  assert.equal(estimateCount(LINE, BINS, 0, true), 20);
  assert.equal(estimateCount(LINE, BINS, 4, true), 0);
  assert.equal(estimateCount(axisOf([[5, 5, 8]]), [[5, 5, 8]], 5, true), 8);
});

test("bins beyond the threshold are those whose middle is in the queue", () => {
  assert.deepEqual(
    BINS.map((bin) => isBeyond(LINE, bin, 1.5, true)),
    [false, true, true],
  );
  assert.deepEqual(
    BINS.map((bin) => isBeyond(LINE, bin, 1.5, false)),
    [true, true, false],
  );
});

test("keys move the threshold within the range", () => {
  near(thresholdAfterKey(LINE, 2, "ArrowRight"), 2.02);
  near(thresholdAfterKey(LINE, 2, "PageDown"), 1.8);
  assert.equal(thresholdAfterKey(LINE, 4, "ArrowRight"), 4);
  assert.equal(thresholdAfterKey(LINE, 2, "Enter"), undefined);
  assert.equal(clampTo(LINE, 9), 4);
});
