// What is sent and noted while the visitor is on the way to another page, on a browser that only remembers.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { whileHere } from "../../../dashboards/components/shared/leaving.js";

const NAMES = ["location", "document", "window", "history"];
const listeners = {};
const pushed = [];
let sent;

const listening = { addEventListener: (name, listener) => Object.assign(listeners, { [name]: listener }) };

/** As the browser's history leads there. */
function goTo(path) {
  globalThis.location = { pathname: path, href: `http://x${path}` };
  listeners.popstate?.();
}

beforeEach(() => {
  sent = [];
  globalThis.document = listening;
  globalThis.window = listening;
  globalThis.history ??= { pushState: (_state, _title, url) => pushed.push(url) };
  goTo("/runs");
});

afterEach(() => {
  for (const name of NAMES.slice(0, 3)) delete globalThis[name];
});

test("a trigger without pages is of the page that it was made on, and keeps still on another one", () => {
  const trigger = whileHere((name) => sent.push(name));
  trigger("here");
  goTo("/case");
  trigger("elsewhere");
  assert.deepEqual(sent, ["here"]);
});

test("a trigger of known pages is sent there alone", () => {
  const trigger = whileHere((name) => sent.push(name), ["", "triage"]);
  for (const path of ["/", "/triage", "/case"]) {
    goTo(path);
    trigger(path);
  }
  assert.deepEqual(sent, ["/", "/triage"]);
});

test("a page that comes late takes no way forward; one that the visitor asks for is noted", () => {
  whileHere(() => {});
  goTo("/case");
  history.pushState(null, "", "/runs");
  assert.deepEqual(pushed, []);
  listeners.pointerdown();
  history.pushState(null, "", "/runs");
  assert.deepEqual(pushed, ["/runs"]);
});
