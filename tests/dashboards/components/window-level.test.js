import assert from "node:assert/strict";
import { test } from "node:test";
import {
  dragged,
  FILE_PRESET,
  fromCentre,
  paintGrey,
  presetNames,
  presetWindow,
  toCentre,
} from "../../../dashboards/components/viewer/window-level.js";

const greys = (values, look) => {
  const pixels = new Uint32Array(values.length);
  paintGrey(new Float32Array(values), { inverted: false, bounds: null, ...look }, pixels);
  return [...new Uint8Array(pixels.buffer)].filter((_, k) => k % 4 === 0);
};

test("centre and width are DICOM's: black and white are width - 1 apart", () => {
  assert.deepEqual(fromCentre(40, 400), { low: -160, high: 239 });
  for (const [centre, width] of [
    [40, 400],
    [-600, 1500],
    [0.5, 2],
  ]) {
    assert.deepEqual(toCentre(fromCentre(centre, width)), { centre, width });
  }
});

test("a width of 1 or less still is a window", () => {
  for (const width of [1, 0, -5]) {
    const { low, high } = fromCentre(10, width);
    assert.ok(high > low);
  }
});

test("presets are those of the unit; the one of the file has no fixed window", () => {
  assert.deepEqual(presetNames("HU"), [FILE_PRESET, "soft tissue", "lung", "bone", "brain"]);
  assert.deepEqual(presetNames("display"), [FILE_PRESET]);
  assert.deepEqual(toCentre(presetWindow("HU", "lung")), { centre: -600, width: 1500 });
  assert.equal(presetWindow("HU", FILE_PRESET), undefined);
  assert.equal(presetWindow("display", "lung"), undefined);
});

test("dragging across widens, dragging down raises the level, and the width never vanishes", () => {
  const window = { low: 0, high: 100 };
  assert.deepEqual(dragged(window, [200, 0]), { low: -50, high: 150 });
  assert.deepEqual(dragged(window, [0, 300]), { low: 100, high: 200 });
  const { low, high } = dragged(window, [-5000, 0]);
  assert.ok(high > low);
});

test("values below the window are black, above it white, and inverting swaps them", () => {
  const look = { low: 0, high: 255 };
  assert.deepEqual(greys([-1000, 0, 100, 255, 3000], look), [0, 0, 100, 255, 255]);
  assert.deepEqual(greys([-1000, 0, 100, 255, 3000], { ...look, inverted: true }), [255, 255, 155, 0, 0]);
});

test("pixels are opaque and grey", () => {
  const pixels = new Uint32Array(1);
  paintGrey(new Float32Array([1]), { low: 0, high: 2, inverted: false, bounds: null }, pixels);
  assert.deepEqual([...new Uint8Array(pixels.buffer)], [128, 128, 128, 255]);
});

test("beyond what a synthetic picture can tell apart, values look like its bounds", () => {
  const look = { low: -1000, high: 1000, bounds: [-160, 240] };
  assert.deepEqual(greys([-900, 900], look), greys([-160, 240], look));
});
