// Which synthetic picture is compared with, on elements that only remember what they are given.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Comparison } from "../../../dashboards/components/viewer/comparison.js";

const REFERENCE = { name: "reference", title: "Reference", sha256: "r1" };
const EXPECTED = { name: "expected", title: "Expected normal", sha256: "e1" };

const { fetch } = globalThis;
let pending; // resolvers of requests for facts, by the name of the picture
let changes; // display modes that were announced
let comparison;

beforeEach(() => {
  globalThis.document = { createElement: makeElement };
  pending = [];
  changes = [];
  globalThis.fetch = (url) => {
    const { promise, resolve } = Promise.withResolvers();
    pending.push({ url, answer: () => resolve(Response.json({ width: 1, height: 1 })) });
    return promise;
  };
  comparison = new Comparison("r", {
    openPyramid: (query) => query,
    onChange: (mode) => changes.push(mode),
    status: { showError: assert.fail },
  });
});

afterEach(() => {
  globalThis.fetch = fetch;
  delete globalThis.document;
});

function makeElement() {
  return { style: {}, append() {}, replaceChildren() {}, setAttribute() {}, addEventListener() {} };
}

async function answer() {
  for (const request of pending.splice(0)) request.answer();
  await new Promise((resolve) => setImmediate(resolve));
}

test("a new picture is shown beside the original, once", async () => {
  comparison.offer("a", [REFERENCE]);
  await answer();
  assert.equal(comparison.picture.name, "reference");
  assert.deepEqual(changes, ["side"]);
  comparison.offer("a", [{ ...REFERENCE }]);
  await answer();
  assert.equal(comparison.picture.name, "reference");
  assert.deepEqual(changes, ["side", undefined], "a rerun keeps the display mode");
});

test("a rerun while the picture is on its way does not lose it", async () => {
  comparison.offer("a", [REFERENCE]);
  comparison.offer("a", [{ ...REFERENCE }]);
  await answer();
  assert.equal(comparison.picture?.name, "reference");
  assert.ok(changes.includes("side"));
});

test("the picture that was chosen last is shown, in whatever order answers come", async () => {
  comparison.offer("a", [REFERENCE, EXPECTED]);
  comparison.compare("expected");
  pending.reverse();
  await answer();
  assert.equal(comparison.picture.name, "expected");
});

test("a picture of the item before is not shown beside the next", async () => {
  comparison.offer("a", [REFERENCE]);
  comparison.clear();
  await answer();
  assert.equal(comparison.picture, null);
  comparison.compare("reference");
  assert.equal(comparison.picture, null);
  assert.deepEqual(pending, []);
});

test("the map takes the place of a picture", async () => {
  comparison.offer("a", [REFERENCE]);
  await answer();
  comparison.compare("");
  await answer();
  assert.equal(comparison.picture, null);
});
