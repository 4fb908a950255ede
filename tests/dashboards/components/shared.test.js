import assert from "node:assert/strict";
import { test } from "node:test";
import { clamp, formatNumber } from "../../../dashboards/components/shared/numbers.js";
import { Recent } from "../../../dashboards/components/shared/recent.js";
import { shortcutOf } from "../../../dashboards/components/shared/shortcuts.js";
import { TaskQueue } from "../../../dashboards/components/shared/task-queue.js";

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
  const withCommand = [...SHORTCUTS, { key: "Ctrl+A" }];
  for (const modifier of ["ctrlKey", "metaKey"]) {
    assert.equal(shortcutOf(press("a", { [modifier]: true }), withCommand).key, "Ctrl+A");
    assert.equal(shortcutOf(press("A", { [modifier]: true, shiftKey: true }), withCommand), undefined);
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
