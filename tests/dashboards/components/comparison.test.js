// What an original is compared with, on elements that only remember what they are given.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Comparison, normalChoices, syntheticChoices } from "../../../dashboards/components/viewer/comparison.js";

const REFERENCE = { name: "reference", title: "Reference", sha256: "r1" };
const EXPECTED = { name: "expected", title: "Expected normal", sha256: "e1" };
const NORMALS = [
  { item: "b.png", correlation: 0.9 },
  { item: "c.png", correlation: 0.8 },
];

let pending; // what opens the pictures that were asked for
let changes; // display modes that were announced
let comparison;

beforeEach(() => {
  globalThis.document = { createElement: makeElement };
  pending = [];
  changes = [];
  comparison = new Comparison({
    open: (query) => {
      const { promise, resolve } = Promise.withResolvers();
      pending.push({ answer: () => resolve(query) });
      return promise;
    },
    onChange: (mode) => changes.push(mode),
    status: { showError: assert.fail },
  });
});

afterEach(() => {
  delete globalThis.document;
});

function makeElement() {
  return { style: {}, append() {}, replaceChildren() {}, setAttribute() {}, addEventListener() {} };
}

function offer(...pictures) {
  comparison.offer("synthetic", syntheticChoices("a", pictures));
}

async function answer() {
  for (const request of pending.splice(0)) request.answer();
  await new Promise((resolve) => setImmediate(resolve));
}

test("a new picture is shown beside the original, once", async () => {
  offer(REFERENCE);
  await answer();
  assert.equal(comparison.picture.name, "reference");
  assert.deepEqual(changes, ["side"]);
  offer({ ...REFERENCE });
  await answer();
  assert.equal(comparison.picture.name, "reference");
  assert.deepEqual(changes, ["side", undefined], "a rerun keeps the display mode");
});

test("a rerun while the picture is on its way does not lose it", async () => {
  offer(REFERENCE);
  offer({ ...REFERENCE });
  await answer();
  assert.equal(comparison.picture?.name, "reference");
  assert.ok(changes.includes("side"));
});

test("the picture that was chosen last is shown, in whatever order answers come", async () => {
  offer(REFERENCE, EXPECTED);
  comparison.compare("synthetic/e1");
  pending.reverse();
  await answer();
  assert.equal(comparison.picture.name, "expected");
});

test("a picture of the item before is not shown beside the next", async () => {
  offer(REFERENCE);
  comparison.clear();
  await answer();
  assert.equal(comparison.picture, null);
  comparison.compare("synthetic/r1");
  assert.equal(comparison.picture, null);
  assert.deepEqual(pending, []);
});

test("the map takes the place of a picture", async () => {
  offer(REFERENCE);
  await answer();
  comparison.compare("");
  await answer();
  assert.equal(comparison.picture, null);
});

test("the rank of a normal item is kept from case to case, its picture is not", async () => {
  comparison.offer("normal", normalChoices(NORMALS));
  comparison.compare("normal/2", "side");
  await answer();
  assert.deepEqual(comparison.picture.pyramid, { item: "c.png" });
  assert.ok(!comparison.picture.isSynthetic);
  comparison.clear();
  assert.equal(comparison.picture, null);
  comparison.offer("normal", normalChoices([NORMALS[1], NORMALS[0]]));
  await answer();
  assert.deepEqual(comparison.picture.pyramid, { item: "b.png" });
});
