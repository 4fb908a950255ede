import assert from "node:assert/strict";
import { test } from "node:test";
import { columnsOf, levelFor, visibleTiles } from "../../../dashboards/components/viewer/tile-grid.js";

const FACTS = { width: 1000, height: 700, tile: 256, levels: 3 };

test("the level has about a pixel for each of the screen's, and is one that exists", () => {
  assert.deepEqual(
    [4, 1, 0.5, 0.25, 0.01].map((magnification) => levelFor(magnification, 3)),
    [0, 0, 1, 2, 2],
  );
});

test("a whole image in sight is covered by its tiles without gap or overlap", () => {
  const placement = { left: 10, top: 20, scaleX: 0.5, scaleY: 2, width: 2000, height: 2000 };
  for (const level of [0, 1, 2]) {
    const tiles = [...visibleTiles(FACTS, level, placement)];
    const area = tiles.reduce((sum, tile) => sum + tile.width * tile.height, 0);
    assert.equal(area, 1000 * 0.5 * 700 * 2);
    assert.equal(Math.max(...tiles.map((tile) => tile.left + tile.width)), 10 + 500);
    assert.equal(Math.max(...tiles.map((tile) => tile.top + tile.height)), 20 + 1400);
  }
});

test("only the tiles in sight are drawn", () => {
  const placement = { left: -300, top: -300, scaleX: 1, scaleY: 1, width: 200, height: 100 };
  const tiles = [...visibleTiles(FACTS, 0, placement)];
  assert.deepEqual(
    tiles.map(({ column, row, left, top }) => [column, row, left, top]),
    [[1, 1, -44, -44]],
  );
});

test("an image beyond the pane still names tiles that exist", () => {
  const placement = { left: -5000, top: 900, scaleX: 1, scaleY: 1, width: 200, height: 100 };
  for (const { column, row } of visibleTiles(FACTS, 0, placement)) {
    assert.ok(column >= 0 && column <= 3 && row >= 0 && row <= 2);
  }
});

test("the last column of tiles has the rest of the pixels, at every level", () => {
  for (const level of [0, 1, 2]) {
    const columns = Math.ceil(1000 / (256 * 2 ** level));
    const widths = Array.from({ length: columns }, (_, column) => columnsOf(FACTS, level, column));
    assert.equal(
      widths.reduce((sum, width) => sum + width, 0),
      Math.ceil(1000 / 2 ** level),
    );
  }
});
