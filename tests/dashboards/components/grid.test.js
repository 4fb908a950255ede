import assert from "node:assert/strict";
import { test } from "node:test";
import { cellLabel, scoreText } from "../../../dashboards/components/grid/cell.js";
import {
  cellBox,
  contentHeight,
  gridLayout,
  scrollToShow,
  visibleCells,
} from "../../../dashboards/components/grid/grid-layout.js";
import { Selection } from "../../../dashboards/components/grid/selection.js";
import { splitThumbnails } from "../../../dashboards/components/grid/thumbnails.js";
import { addressQuery, changedQuery, openedQuery } from "../../../dashboards/components/grid/view-query.js";

const ROW = { item: "a.png", p_value: 0.01234, flagged: true, decision: null, error: null };

test("columns fill the width, and there is always one", () => {
  assert.deepEqual(gridLayout(1008, 150), { columns: 6, cellWidth: 166, cellHeight: 208 });
  assert.deepEqual(gridLayout(100, 320), { columns: 1, cellWidth: 92, cellHeight: 134 });
  assert.equal(gridLayout(1008, 64).cellHeight, gridLayout(1008, 64).cellWidth, "small tiles have no text");
});

test("cells do not overlap, and the last one ends within the content", () => {
  const layout = gridLayout(500, 150);
  const boxes = Array.from({ length: 11 }, (_, index) => cellBox(layout, index));
  for (const [k, a] of boxes.entries()) {
    for (const b of boxes.slice(k + 1)) {
      const isApart = b.left >= a.left + a.width || b.top >= a.top + a.height;
      assert.ok(isApart);
    }
  }
  assert.ok(boxes.every(({ left, width }) => left >= 0 && left + width <= 500));
  assert.ok(boxes[10].top + boxes[10].height <= contentHeight(layout, 11));
});

test("cells in sight and a row around them are drawn, of those that exist", () => {
  const layout = { columns: 4, cellWidth: 100, cellHeight: 100 };
  assert.deepEqual(visibleCells(layout, { scrollTop: 1000, clientHeight: 250 }, 100_000), { first: 36, end: 56 });
  assert.deepEqual(visibleCells(layout, { scrollTop: 0, clientHeight: 250 }, 10), { first: 0, end: 10 });
});

test("scrolling moves as little as shows all of a cell", () => {
  const layout = { columns: 4, cellWidth: 100, cellHeight: 100 };
  const view = { scrollTop: 1000, clientHeight: 300 };
  assert.equal(scrollToShow(layout, view, 44), 1000, "in sight already");
  assert.equal(scrollToShow(layout, view, 8), 200, "above");
  assert.equal(scrollToShow(layout, view, 80), 1808, "below");
});

test("a label says score, flag and verdict, and names what cannot be read", () => {
  assert.equal(cellLabel(ROW), "a.png, p 0.012, flagged, no verdict");
  assert.equal(cellLabel({ ...ROW, error: "broken", flagged: false, decision: "odd" }), "a.png, not readable, odd");
  assert.equal(scoreText(ROW), "p 0.012");
  assert.equal(scoreText({ ...ROW, p_value: null }), "");
  assert.equal(scoreText({ ...ROW, error: "broken" }), "error");
});

test("a selection grows by clicks and ranges, and never holds a row that is not here", () => {
  const rows = ["a", "b", null, "d"].map((item) => item && { item });
  const selection = new Selection();
  selection.addNames(0, ["a", "b"]);
  selection.add(2, rows[2]);
  selection.add(3, rows[3]);
  assert.deepEqual(selection.itemsOr(null).sort(), ["a", "b", "d"]);
  selection.toggle(1, rows[1]);
  assert.deepEqual(selection.itemsOr(null).sort(), ["a", "d"]);
  selection.toggle(2, rows[2]);
  assert.equal(selection.size, 2);
});

test("without a selection a verdict is about the item under the cursor, if it is here", () => {
  assert.deepEqual(new Selection().itemsOr({ item: "a" }), ["a"]);
  assert.deepEqual(new Selection().itemsOr(null), []);
});

test("thumbnails are cut out of one answer, and one that is missing is empty", () => {
  const pictures = [[1, 2, 3], [], [4]];
  const lengths = new TextEncoder().encode(JSON.stringify(pictures.map((picture) => picture.length)));
  const bytes = new Uint8Array(4 + lengths.length + 4);
  new DataView(bytes.buffer).setUint32(0, lengths.length, true);
  bytes.set(lengths, 4);
  bytes.set(pictures.flat(), 4 + lengths.length);
  const split = splitThumbnails(bytes.buffer).map((picture) => [...new Uint8Array(picture)]);
  assert.deepEqual(split, pictures);
});

test("a view is opened without what is not of it, changed, and put into the address bar", () => {
  const { query, item } = openedQuery("run=r&sort=p_value&item=a%26b.png");
  assert.equal(item, "a&b.png");
  assert.equal(query.toString(), "sort=p_value");
  assert.equal(changedQuery(query, "find", "x").toString(), "sort=p_value&find=x");
  assert.equal(changedQuery(query, "sort", "").toString(), "sort=", "the order of the inputs is a sort too");
  assert.equal(changedQuery(changedQuery(query, "p", "0.1"), "p", "").toString(), "sort=p_value");
  assert.equal(query.toString(), "sort=p_value", "the view before is not touched");
  assert.equal(addressQuery("r", query, "a&b.png").toString(), "run=r&sort=p_value&item=a%26b.png");
  assert.equal(addressQuery("r", query, null).toString(), "run=r&sort=p_value");
});
