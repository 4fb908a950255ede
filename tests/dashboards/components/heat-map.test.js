import assert from "node:assert/strict";
import { test } from "node:test";
import { cssGradient, inferno } from "../../../dashboards/components/viewer/colour-map.js";
import {
  decodeHeatMap,
  evidenceAt,
  onePlaceIn,
  paintHeatMap,
  rasterSize,
} from "../../../dashboards/components/viewer/heat-map.js";

const MAP = { rows: 2, columns: 3, values: new Float32Array([0, 1, 2, 4, 5, 6]) };
const pixel = (rgba, k) => [...rgba.slice(4 * k, 4 * k + 4)];

test("rows, columns and values come as the route sends them", () => {
  const content = new ArrayBuffer(8 + 4 * MAP.values.length);
  new Uint32Array(content, 0, 2).set([2, 3]);
  new Float32Array(content, 8).set(MAP.values);
  assert.deepEqual(decodeHeatMap(content), MAP);
});

test("the middle of a cell has its value, points between are bilinear, the border has the nearest", () => {
  const middle = (column, row) => evidenceAt(MAP, (column + 0.5) / 3, (row + 0.5) / 2);
  assert.equal(middle(0, 0), 0);
  assert.equal(middle(2, 1), 6);
  assert.equal(evidenceAt(MAP, 0.5, 0.5), 3);
  assert.equal(evidenceAt(MAP, 0, 0), 0);
  assert.equal(evidenceAt(MAP, 1, 1), 6);
});

test("evidence of 3 is one place in a thousand", () => {
  assert.equal(onePlaceIn(3), 1000);
});

test("the raster has the shape of the image, at most 512 pixels wide, and at least one pixel high", () => {
  assert.deepEqual(rasterSize(MAP, { width: 4000, height: 1000 }), { width: 512, height: 128 });
  assert.deepEqual(rasterSize(MAP, { width: 100, height: 50 }), { width: 100, height: 50 });
  assert.deepEqual(rasterSize(MAP, { width: 5000, height: 1 }), { width: 512, height: 1 });
  assert.deepEqual(rasterSize(MAP, null), { width: 512, height: 341 });
});

test("where nothing is odd nothing is painted; one place in ten thousand is opaque", () => {
  const map = { rows: 1, columns: 2, values: new Float32Array([0, 9]) };
  const rgba = paintHeatMap(map, { width: 2, height: 1 });
  assert.equal(pixel(rgba, 0)[3], 0);
  assert.deepEqual(pixel(rgba, 1), [252, 255, 164, 255]);
});

test("the colour map runs from black to pale yellow and does not leave its ends", () => {
  assert.deepEqual(inferno(0), [0, 0, 4]);
  assert.deepEqual(inferno(1), [252, 255, 164]);
  assert.deepEqual(inferno(-3), inferno(0));
  assert.deepEqual(inferno(7), inferno(1));
  assert.deepEqual(inferno(0.5), [186, 54, 85]);
  assert.match(cssGradient(), /^linear-gradient\(90deg,rgb\(0,0,4\),.*rgb\(252,255,164\)\)$/);
});
