import assert from "node:assert/strict";
import { test } from "node:test";
import { cursorAfterKey, pointsWithin } from "../../../dashboards/components/scatter/lasso.js";

test("what lies within a line is taken, also where it bends inwards", () => {
  const line = [
    [0, 0],
    [1, 0],
    [1, 1],
    [0.5, 0.3],
    [0, 1],
  ];
  const points = [
    [0.5, 0.1],
    [0.5, 0.8],
    [0.1, 0.5],
    [2, 0.1],
  ];
  assert.deepEqual(pointsWithin(points, line), [0, 2]);
  assert.deepEqual(pointsWithin(points, []), []);
});

test("arrows move the cross within the map", () => {
  assert.deepEqual(cursorAfterKey([0.5, 0.5], { key: "ArrowUp", shiftKey: false }), [0.5, 0.48]);
  assert.deepEqual(cursorAfterKey([0.95, 0.5], { key: "ArrowRight", shiftKey: true }), [1, 0.5]);
  assert.equal(cursorAfterKey([0.5, 0.5], { key: "x" }), undefined);
});
