import assert from "node:assert/strict";
import { test } from "node:test";
import { clamp, formatNumber } from "../../../dashboards/components/shared/numbers.js";
import { Recent } from "../../../dashboards/components/shared/recent.js";
import { shortcutOf } from "../../../dashboards/components/shared/shortcuts.js";
import { TaskQueue } from "../../../dashboards/components/shared/task-queue.js";
import {
  clampTo,
  estimateCount,
  isBeyond,
  rangeOf,
  thresholdAfterKey,
} from "../../../dashboards/components/threshold/histogram.js";

const BINS = [
  [0, 1, 10],
  [1, 2, 4],
  [2, 4, 6],
];
const SHORTCUTS = [{ key: "O" }, { key: "ArrowUp" }, { key: "?" }];
const press = (key, more = {}) => ({ key, composedPath: () => [more.target], ...more });

test("numbers have significant digits, and a missing one is a dash", () => {
  assert.equal(formatNumber(0.000123456), "0.000123");
  assert.equal(formatNumber(1234567, 5), "1234600");
  assert.equal(formatNumber(2), "2");
  assert.equal(formatNumber(null), "–");
  assert.deepEqual([clamp(5, 0, 1), clamp(-5, 0, 1), clamp(0.5, 0, 1)], [1, 0, 0.5]);
});

test("a shortcut is found whatever the case of its key", () => {
  assert.equal(shortcutOf(press("o"), SHORTCUTS).key, "O");
  assert.equal(shortcutOf(press("ArrowUp"), SHORTCUTS).key, "ArrowUp");
  assert.equal(shortcutOf(press("q"), SHORTCUTS), undefined);
});

test("keys belong to a text field that has the focus, and with a modifier to the browser", () => {
  for (const target of [
    { tagName: "INPUT" },
    { tagName: "TEXTAREA" },
    { tagName: "SELECT" },
    { isContentEditable: true },
  ]) {
    assert.equal(shortcutOf(press("o", { target }), SHORTCUTS), undefined);
  }
  assert.ok(shortcutOf(press("o", { target: { tagName: "BUTTON" } }), SHORTCUTS));
  for (const modifier of ["ctrlKey", "metaKey", "altKey"]) {
    assert.equal(shortcutOf(press("o", { [modifier]: true }), SHORTCUTS), undefined);
  }
});

test("tasks run one after the other, also behind one that failed", async () => {
  const queue = new TaskQueue();
  const log = [];
  const slow = queue.add(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    log.push("slow");
  });
  const failing = queue.add(() => Promise.reject(new Error("refused")));
  const last = queue.add(() => log.push("last"));
  await assert.rejects(failing, { message: "refused" });
  await Promise.all([slow, last]);
  assert.deepEqual(log, ["slow", "last"]);
});

test("the queue is estimated within a bin, and is everything or nothing at its ends", () => {
  assert.equal(estimateCount(BINS, 3, true), 3);
  assert.equal(estimateCount(BINS, 3, false), 17);
  assert.equal(estimateCount(BINS, 0, true), 20);
  assert.equal(estimateCount(BINS, 4, true), 0);
  assert.equal(estimateCount([[5, 5, 8]], 5, true), 8);
});

test("bins beyond the threshold are those whose middle is in the queue", () => {
  assert.deepEqual(
    BINS.map((bin) => isBeyond(bin, 1.5, true)),
    [false, true, true],
  );
  assert.deepEqual(
    BINS.map((bin) => isBeyond(bin, 1.5, false)),
    [true, true, false],
  );
});

test("keys move the threshold within the range, which has a span even for a single value", () => {
  const range = rangeOf(BINS);
  assert.deepEqual(range, { low: 0, high: 4, span: 4 });
  assert.equal(thresholdAfterKey(range, 2, "ArrowRight"), 2.02);
  assert.equal(thresholdAfterKey(range, 2, "PageDown"), 1.8);
  assert.equal(thresholdAfterKey(range, 4, "ArrowRight"), 4);
  assert.equal(thresholdAfterKey(range, 2, "Enter"), undefined);
  assert.equal(clampTo(range, 9), 4);
  assert.equal(rangeOf([[5, 5, 8]]).span, 1);
});

test("what was asked for lately is asked once, after an error again, and what lies long back is forgotten", async () => {
  const asked = [];
  let isBroken = true;
  const ask = async (key) => {
    asked.push(key);
    if (isBroken) throw new Error("away");
    return key.toUpperCase();
  };
  const recent = new Recent(ask, 2);
  await assert.rejects(recent.get("a"), /away/);
  isBroken = false;
  for (const key of ["a", "a", "b", "a", "c", "a", "b"]) assert.equal(await recent.get(key), key.toUpperCase());
  assert.equal(asked.join(""), "aabcb");
});
