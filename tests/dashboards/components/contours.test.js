import assert from "node:assert/strict";
import { test } from "node:test";
import { contoursOf } from "../../../dashboards/components/viewer/contours.js";

function mapOf(...lines) {
  const values = lines.flatMap((line) => [...line].map(Number));
  return { rows: lines.length, columns: lines[0].length, values: new Float32Array(values) };
}

/** Even-odd rule. */
function isInside(ring, [x, y]) {
  let inside = false;
  for (const [k, [x1, y1]] of ring.entries()) {
    const [x2, y2] = ring[(k + 1) % ring.length];
    if (y1 > y !== y2 > y && x < x1 + ((y - y1) / (y2 - y1)) * (x2 - x1)) inside = !inside;
  }
  return inside;
}

test("a ring runs around what exceeds the threshold, with the odd side on its right", () => {
  const [ring, ...more] = contoursOf(mapOf("00000", "00000", "00500", "00000", "00000"), 2);
  assert.deepEqual(more, []);
  assert.ok(isInside(ring, [0.5, 0.5]));
  assert.ok(!isInside(ring, [0.1, 0.5]));
  const [[x1, y1], [x2, y2]] = ring;
  const right = [(x1 + x2) / 2 - (y2 - y1) * 0.1, (y1 + y2) / 2 + (x2 - x1) * 0.1];
  assert.ok(isInside(ring, right));
});

test("each odd place has its ring, and what only touches the threshold has none", () => {
  assert.equal(contoursOf(mapOf("50005", "00000", "00000", "00000", "50003"), 2).length, 4);
  assert.equal(contoursOf(mapOf("30003"), 3).length, 0);
});

test("a normal island in an odd region is not ringed, an odd one in it is", () => {
  const rings = contoursOf(mapOf("5555555", "5000005", "5000005", "5005005", "5000005", "5000005", "5555555"), 2);
  assert.equal(rings.length, 2);
  assert.ok(rings.every((ring) => isInside(ring, [0.5, 0.5])));
});

test("along the edge of the image a ring closes on the edge itself", () => {
  const [ring, ...more] = contoursOf(mapOf("555", "555"), 2);
  assert.deepEqual(more, []);
  for (const [u, v] of ring) assert.ok(u === 0 || u === 1 || v === 0 || v === 1);
});
