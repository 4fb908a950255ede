import assert from "node:assert/strict";
import { test } from "node:test";
import {
  availableModes,
  layersOf,
  paneTitles,
  shownMode,
  syntheticPanes,
} from "../../../dashboards/components/viewer/display-mode.js";

const MODES = ["over", "curtain", "side", "difference", "plain"];
const NOTHING = { heatMap: null, other: null };
const HEAT_MAP = { heatMap: {}, other: null };
const SYNTHETIC = { heatMap: null, other: { title: "synthetic", isSynthetic: true } };
const BOTH = { ...SYNTHETIC, heatMap: {} };
const NORMAL = { heatMap: {}, other: { title: "not flagged: b.png", isSynthetic: false } };
const available = (content) => MODES.filter((mode) => availableModes(content)[mode]);

test("a mode is available where there is something to show in it", () => {
  assert.deepEqual(available(NOTHING), ["plain"]);
  assert.deepEqual(available(HEAT_MAP), ["over", "curtain", "side", "plain"]);
  assert.deepEqual(available(SYNTHETIC), ["curtain", "side", "difference", "plain"]);
  assert.deepEqual(available(BOTH), MODES);
});

test("a mode that is not available gives way to the overlay, and that to the original", () => {
  assert.equal(shownMode("difference", availableModes(HEAT_MAP)), "over");
  assert.equal(shownMode("over", availableModes(SYNTHETIC)), "plain");
  assert.equal(shownMode("side", availableModes(SYNTHETIC)), "side");
});

test("each mode draws its layers", () => {
  assert.deepEqual(layersOf("plain", BOTH), [["original"], null]);
  assert.deepEqual(layersOf("over", BOTH), [["original", "heat map", "contours"], null]);
  assert.deepEqual(layersOf("curtain", HEAT_MAP), [["original", "heat map", "contours"], null]);
  assert.deepEqual(layersOf("curtain", BOTH), [["original", "other"], null]);
  assert.deepEqual(layersOf("side", HEAT_MAP), [["original"], ["original", "heat map", "contours"]]);
  assert.deepEqual(layersOf("side", BOTH), [["original", "heat map", "contours"], ["other"]]);
  assert.deepEqual(layersOf("side", SYNTHETIC), [["original"], ["other"]]);
  assert.deepEqual(layersOf("difference", BOTH), [["bounded original", "difference"], null]);
});

test("while the next item is loaded no mode draws what is not there", () => {
  for (const mode of MODES) {
    assert.deepEqual(layersOf(mode, NOTHING)[0], ["original"], mode);
  }
});

test("a pane says that it shows a synthetic picture exactly where it draws one", () => {
  for (const content of [NOTHING, HEAT_MAP, SYNTHETIC, BOTH, NORMAL]) {
    for (const mode of available(content)) {
      const drawn = layersOf(mode, content).map((layers) =>
        Boolean(content.other?.isSynthetic && layers?.some((layer) => layer === "other" || layer === "difference")),
      );
      assert.deepEqual(syntheticPanes(mode, content), drawn, mode);
    }
  }
});

test("titles name what lies behind or beside the original", () => {
  assert.deepEqual(paneTitles("curtain", HEAT_MAP), ["original | map", "map"]);
  assert.deepEqual(paneTitles("curtain", BOTH), ["original | synthetic", "synthetic"]);
  assert.deepEqual(paneTitles("side", BOTH), ["original with map", "synthetic"]);
  assert.deepEqual(paneTitles("side", HEAT_MAP), ["original", "map"]);
  assert.deepEqual(paneTitles("side", NORMAL), ["original with map", "not flagged: b.png"]);
  assert.equal(paneTitles("difference", BOTH)[0], "difference to synthetic, times 4");
});
