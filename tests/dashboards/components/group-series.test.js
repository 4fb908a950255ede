import assert from "node:assert/strict";
import { test } from "node:test";
import { groupChoices, ownSlices, seriesName } from "../../../dashboards/components/viewer/group-series.js";

const series = (name, count) => Array.from({ length: count }, (_, k) => ({ item: `${name}/${k}.dcm` }));
const STUDIES = [...series("2024", 11), ...series("2019", 21)];
const itemOf = (choices, key) => choices.find((choice) => choice.key === key)?.query.item;

test("a series is a folder, or a file with frames", () => {
  assert.equal(seriesName("a/b/c.dcm"), "a/b/");
  assert.equal(seriesName("a/video.mp4#17"), "a/video.mp4");
  assert.equal(seriesName("flat.png"), "");
});

test("one steps through a study by itself, and through a group of single pictures", () => {
  assert.equal(ownSlices(STUDIES, "2019/3.dcm").length, 21);
  const single = [{ item: "a/1.png" }, { item: "b/1.png" }];
  assert.equal(ownSlices(single, "a/1.png").length, 2);
});

test("a study before shows the slice that lies as far along, moved by as many slices as is wished", () => {
  assert.equal(itemOf(groupChoices(STUDIES, "2024/5.dcm"), "series/2019/"), "2019/10.dcm");
  assert.equal(itemOf(groupChoices(STUDIES, "2024/6.dcm"), "series/2019/"), "2019/12.dcm");
  assert.equal(itemOf(groupChoices(STUDIES, "2024/6.dcm", -3), "series/2019/"), "2019/9.dcm");
  assert.equal(itemOf(groupChoices(STUDIES, "2024/10.dcm", 5), "series/2019/"), "2019/20.dcm");
});

test("neighbours are offered, and in a small group every item", () => {
  const choices = groupChoices(series("a", 3), "a/1.dcm");
  assert.equal(itemOf(choices, "group/before"), "a/0.dcm");
  assert.equal(itemOf(choices, "item/a/2.dcm"), "a/2.dcm");
  assert.equal(itemOf(groupChoices(STUDIES, "2024/0.dcm"), "group/before"), undefined);
  assert.deepEqual(groupChoices([{ item: "alone.png" }], "alone.png"), []);
});
