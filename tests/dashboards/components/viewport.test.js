import assert from "node:assert/strict";
import { test } from "node:test";
import { fit, imageOrigin, pan, toImage, zoomAround, zoomTo } from "../../../dashboards/components/viewer/viewport.js";

const PANE = { width: 800, height: 600 };

test("fit shows all of a wide and of a tall image, in the middle", () => {
  assert.deepEqual(fit({ width: 1600, height: 300 }, PANE), { x: 800, y: 150, scale: 0.5 });
  assert.deepEqual(fit({ width: 100, height: 300 }, PANE), { x: 50, y: 150, scale: 2 });
});

test("the middle of the pane is the viewport's point, and the origin is where the image's corner is", () => {
  const viewport = { x: 30, y: 40, scale: 2 };
  assert.deepEqual(toImage(viewport, PANE, [400, 300]), [30, 40]);
  const { left, top } = imageOrigin(viewport, PANE);
  assert.deepEqual(toImage(viewport, PANE, [left, top]), [0, 0]);
});

test("panning moves the image with the pointer, at any zoom", () => {
  for (const scale of [0.25, 1, 8]) {
    const viewport = { x: 30, y: 40, scale };
    const before = toImage(viewport, PANE, [100, 100]);
    assert.deepEqual(toImage(pan(viewport, [16, -24]), PANE, [116, 76]), before);
  }
});

test("zooming around a point keeps the image there", () => {
  const viewport = { x: 30, y: 40, scale: 2 };
  const [x, y] = toImage(viewport, PANE, [650, 120]);
  for (const factor of [0.3, 1.5, 1e6]) {
    const [u, v] = toImage(zoomAround(viewport, PANE, [650, 120], factor), PANE, [650, 120]);
    assert.ok(Math.abs(u - x) < 1e-9 && Math.abs(v - y) < 1e-9);
  }
});

test("the zoom stays between a speck and single pixels", () => {
  assert.equal(zoomTo({ x: 0, y: 0, scale: 1 }, 1e9).scale, 64);
  assert.equal(zoomTo({ x: 0, y: 0, scale: 1 }, 1e-9).scale, 0.005);
});
