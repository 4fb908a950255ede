import assert from "node:assert/strict";
import { test } from "node:test";
import { cardAfterKey } from "../../../dashboards/components/gallery/keys.js";
import { chosenPlates, FITTED, movedBy, viewAfterKey, zoomedAt } from "../../../dashboards/components/plates/view.js";

test("what is under the pointer stays there while it is zoomed", () => {
  const view = zoomedAt(zoomedAt(FITTED, [0.3, 0.8], 2), [0.5, 0.5], 3);
  assert.equal(view.scale, 6);
  const before = zoomedAt(FITTED, [0.3, 0.8], 2);
  const inPicture = ({ x, y, scale }) => [(0.5 - x) / scale, (0.5 - y) / scale].map((value) => value.toFixed(9));
  assert.deepEqual(inPicture(view), inPicture(before));
});

test("a picture covers its pane however it is moved, and fits it at the least scale", () => {
  assert.deepEqual(movedBy({ x: -0.5, y: -0.5, scale: 2 }, [5, -5]), { x: 0, y: -1, scale: 2 });
  assert.deepEqual(zoomedAt({ x: -1, y: -1, scale: 2 }, [0.1, 0.1], 0.1), FITTED);
});

test("keys zoom, move and fit", () => {
  assert.equal(viewAfterKey(FITTED, "+").scale, 1.5);
  assert.deepEqual(viewAfterKey({ x: -1, y: -1, scale: 3 }, "ArrowRight"), { x: -1.1, y: -1, scale: 3 });
  assert.equal(viewAfterKey({ x: -1, y: -1, scale: 3 }, "0"), FITTED);
  assert.equal(viewAfterKey(FITTED, "x"), undefined);
});

test("the picture and the strongest map are shown first", () => {
  const plates = ["picture", "map", "map", "aid"].map((kind, k) => ({ name: `${kind}${k}`, kind }));
  assert.deepEqual([...chosenPlates(plates)], ["picture0", "map1"]);
  assert.deepEqual([...chosenPlates(plates.slice(3))], []);
});

test("arrow keys lead from card to card, and not out of the gallery", () => {
  assert.deepEqual(
    ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "x"].map((key) => cardAfterKey(4, key, 9, 3)),
    [3, 5, 1, 7, 0, 8, undefined],
  );
  assert.equal(cardAfterKey(8, "ArrowRight", 9, 3), 8);
});
