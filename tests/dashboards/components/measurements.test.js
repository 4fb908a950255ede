import assert from "node:assert/strict";
import { test } from "node:test";
import { curtainAfterKey } from "../../../dashboards/components/viewer/curtain.js";
import { edgeLetters } from "../../../dashboards/components/viewer/orientation.js";
import { correspondingPixel, lookOfOther, placeOther } from "../../../dashboards/components/viewer/other-picture.js";
import { pixelText, probeText } from "../../../dashboards/components/viewer/probe.js";
import { rulerLength } from "../../../dashboards/components/viewer/ruler.js";

test("a ruler measures in mm with the spacing of rows and of columns", () => {
  const facts = { spacing_mm: [0.5, 2], meta: {} };
  assert.equal(rulerLength({ from: [10, 10], to: [13, 10] }, facts), "6.0 mm");
  assert.equal(rulerLength({ from: [10, 10], to: [10, 13] }, facts), "1.5 mm");
  assert.equal(rulerLength({ from: [0, 0], to: [2, 6] }, facts), "5.0 mm");
});

test("without a spacing a ruler counts pixels, and in a projection it says where the mm hold", () => {
  const line = { from: [0, 0], to: [30, 40] };
  assert.equal(rulerLength(line, { spacing_mm: null, meta: {} }), "50 px");
  assert.equal(rulerLength(line, { spacing_mm: [1, 1], meta: { spacing: "detector" } }), "50.0 mm at the detector");
});

test("edges of an axial, a coronal and a sagittal slice", () => {
  assert.deepEqual(edgeLetters([1, 0, 0, 0, 1, 0]), { right: "L", left: "R", bottom: "P", top: "A" });
  assert.deepEqual(edgeLetters([1, 0, 0, 0, 0, -1]), { right: "L", left: "R", bottom: "F", top: "H" });
  assert.deepEqual(edgeLetters([0, 1, 0, 0, 0, -1]), { right: "P", left: "A", bottom: "F", top: "H" });
});

test("an oblique slice has the letters of its nearest axes, and one without cosines has none", () => {
  assert.deepEqual(edgeLetters([0.8, 0.6, 0, -0.6, 0.8, 0]), { right: "L", left: "R", bottom: "P", top: "A" });
  assert.deepEqual(Object.values(edgeLetters(null)), ["", "", "", ""]);
});

test("a pixel says whether it is exact, and HU only where values are HU", () => {
  assert.equal(pixelText({ level: 0, channels: [-1024], unit: "HU" }), "= -1024 HU");
  assert.equal(pixelText({ level: 2, channels: [40.7841], unit: "HU" }), "≈ 40.784 HU");
  assert.equal(pixelText({ level: 0, channels: [7, 7, 7], unit: "display" }), "= 7");
  assert.equal(pixelText({ level: 0, channels: [1, 2, 3], unit: "display" }), "= 1, 2, 3");
});

test("the probe says what original, synthetic picture and heat map have at a pixel", () => {
  const image = { width: 2, height: 2 };
  const heatMap = { rows: 2, columns: 2, values: new Float32Array([0, 1, 2, 4]) };
  const original = { level: 0, channels: [9], unit: "display" };
  const synthetic = { level: 1, channels: [8], unit: "display" };
  assert.equal(
    probeText([1, 1], { image, original, other: synthetic, otherName: "synthetic", heatMap, scale: 1.5 }),
    "row 1, column 1  ·  value = 9  ·  synthetic ≈ 8  ·  map: one place in 10,000 of normal images is as odd  ·  150 %",
  );
  assert.match(
    probeText([1, 1], { image, heatMap, places: 5000, scale: 1 }),
    /map: none of 5,000 places of normal images is as odd/,
  );
  assert.match(probeText([0, 1], { image, heatMap, places: 5000, scale: 1 }), /map: one place in 100 of normal/);
  assert.equal(probeText([0, 1], { image, heatMap: null, scale: 1 }), "row 1, column 0  ·  100 %");
});

const otherOf = (facts, isSynthetic = false) => ({ pyramid: { facts }, isSynthetic });

test("a pixel corresponds to the one around its middle in a synthetic picture of another size", () => {
  const image = { width: 10, height: 10 };
  assert.deepEqual(correspondingPixel([9, 0], image, otherOf({ width: 100, height: 5 }, true)), [95, 0]);
  assert.deepEqual(correspondingPixel([4, 5], image, otherOf(image)), [4, 5]);
});

test("another photograph keeps its shape, as large as the place of the original allows and in its middle", () => {
  const placement = { left: 100, top: 0, scaleX: 2, scaleY: 2 };
  const place = placeOther(placement, { width: 100, height: 50 }, otherOf({ width: 40, height: 40 }));
  assert.deepEqual(place, { left: 150, top: 0, scaleX: 2.5, scaleY: 2.5 });
});

test("of two scans with a spacing, a millimetre is a millimetre", () => {
  const placement = { left: 0, top: 0, scaleX: 1, scaleY: 1 };
  const shown = { width: 100, height: 100, spacing_mm: [1, 1] };
  const place = placeOther(placement, shown, otherOf({ width: 100, height: 100, spacing_mm: [0.5, 0.5] }));
  assert.deepEqual(place, { left: 25, top: 25, scaleX: 0.5, scaleY: 0.5 });
});

test("window and level are one for one unit, and a picture of another unit keeps its own", () => {
  const look = { low: -160, high: 240, inverted: false };
  const ct = { kind: "values", unit: "HU", window: [0, 80], inverted: false };
  assert.equal(lookOfOther(look, ct, otherOf(ct)), look);
  const mr = { kind: "values", unit: "modality", window: [0, 900], inverted: true };
  assert.deepEqual(lookOfOther(look, ct, otherOf(mr)), { low: 0, high: 900, inverted: true });
  assert.equal(lookOfOther(look, ct, otherOf({ kind: "picture" })), look);
});

test("keys move the curtain by small and large steps, and not out of the pane", () => {
  const after = (position, key, shiftKey = false) => curtainAfterKey(position, { key, shiftKey });
  assert.equal(after(0.5, "ArrowLeft"), 0.48);
  assert.equal(after(0.5, "ArrowRight", true), 0.6);
  assert.equal(after(0.01, "ArrowLeft"), 0);
  assert.equal(after(0.3, "Home"), 0);
  assert.equal(after(0.3, "End"), 1);
  assert.equal(after(0.3, "x"), undefined);
});
