// What asks the server, with a fetch of the test's own.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { RowPages } from "../../../dashboards/components/grid/row-pages.js";
import { Verdicts } from "../../../dashboards/components/grid/verdicts.js";
import { postJson, RequestError, requestJson, routeUrl } from "../../../dashboards/components/shared/requests.js";
import { CaseQueue } from "../../../dashboards/components/viewer/case-queue.js";
import { fetchHeatMap } from "../../../dashboards/components/viewer/item-requests.js";

const { fetch } = globalThis;
afterEach(() => {
  globalThis.fetch = fetch;
});

/** @param answer - gives status and content of the answer to a URL and its options. */
function serve(answer) {
  const requests = [];
  globalThis.fetch = async (url, options) => {
    requests.push({ url, options });
    const [status, content] = await answer(url, options);
    return new Response(content instanceof ArrayBuffer ? content : JSON.stringify(content), { status });
  };
  return requests;
}

const missing = [404, { error: { message: "there is no map of this item" } }];
const row = (item, decision = null) => ({ item, decision });

class RecordedStatus {
  lines = [];

  show(text) {
    this.lines.push(text);
  }

  showError(text) {
    this.lines.push(`error: ${text}`);
  }
}

test("names of runs and items are escaped", () => {
  assert.equal(routeUrl("a/b", "facts", { item: "x&y=1.png" }), "/oddpixel/runs/a%2Fb/facts?item=x%26y%3D1.png");
});

test("an error has the server's words, and without any its status", async () => {
  serve(() => [403, { error: { message: "this page is too old" } }]);
  await assert.rejects(requestJson("/x"), { name: "RequestError", status: 403, message: "this page is too old" });
  globalThis.fetch = async () => new Response("<html>", { status: 502, statusText: "Bad Gateway" });
  await assert.rejects(requestJson("/x"), { status: 502, message: "502 Bad Gateway" });
});

test("what changes something carries the ticket", async () => {
  const requests = serve(() => [200, {}]);
  await postJson("/x", "signed", { items: ["a"] });
  assert.equal(requests[0].options.headers["x-oddpixel-ticket"], "signed");
  assert.equal(requests[0].options.body, '{"items":["a"]}');
});

test("an image without a heat map has none; one whose heat map is lost is an error", async () => {
  const requests = serve(() => missing);
  assert.equal(await fetchHeatMap("r", "a", false), null);
  assert.equal(requests.length, 0);
  assert.equal(await fetchHeatMap("r", "a", undefined), null);
  await assert.rejects(fetchHeatMap("r", "a", true), RequestError);
  serve(() => [500, {}]);
  await assert.rejects(fetchHeatMap("r", "a", undefined), RequestError);
});

test("rows come in pages, each requested once", async () => {
  const requests = serve((url) => {
    const offset = Number(new URL(url, "http://x").searchParams.get("offset"));
    return [200, { rows: [row(`item ${offset}`)], count: 250, all: 300, undecided: 9 }];
  });
  const rows = new RowPages("r");
  assert.equal(await rows.open({ sort: "raw" }), true);
  assert.deepEqual([rows.count, rows.all, rows.undecided], [250, 300, 9]);
  assert.equal(rows.row(200), null);
  assert.deepEqual(await Promise.all([rows.fetch(2), rows.fetch(2), rows.fetch(0)]), [true, false, false]);
  assert.equal(rows.row(200).item, "item 200");
  assert.equal(rows.indexOf("item 200"), 200);
  assert.equal(requests.length, 2);
});

test("a page that failed is requested again", async () => {
  serve(() => [200, { rows: [], count: 200, all: 200, undecided: 0 }]);
  const rows = new RowPages("r");
  await rows.open({});
  serve(() => [500, {}]);
  await assert.rejects(rows.fetch(1), RequestError);
  serve(() => [200, { rows: [row("a")] }]);
  assert.equal(await rows.fetch(1), true);
});

test("the answer to an earlier query does not count, whether it is rows or an error", async () => {
  for (const late of [
    [200, { rows: [row("old")], count: 1, all: 1, undecided: 1 }],
    [500, {}],
  ]) {
    const release = Promise.withResolvers();
    serve(async (url) => {
      if (url.includes("find=old")) return await release.promise.then(() => late);
      return [200, { rows: [row("new")], count: 7, all: 7, undecided: 7 }];
    });
    const rows = new RowPages("r");
    const first = rows.open({ find: "old" });
    assert.equal(await rows.open({ find: "new" }), true);
    release.resolve();
    assert.equal(await first, false);
    assert.equal(rows.row(0).item, "new");
    assert.equal(rows.count, 7);
  }
});

/** What a browser keeps: names and values are its own properties. */
function memory() {
  const kept = {};
  const hidden = (value) => ({ value, enumerable: false });
  return Object.defineProperties(kept, {
    getItem: hidden((name) => kept[name] ?? null),
    setItem: hidden((name, value) => {
      kept[name] = value;
    }),
    removeItem: hidden((name) => delete kept[name]),
  });
}

/** Confirms whatever is sent, as the server does: the newest decision counts. */
function confirming(_, { body }) {
  const { entries } = JSON.parse(body);
  const items = {};
  for (const entry of entries) {
    for (const item of entry.items) items[item] = { decision: entry.decision, opinions: {} };
  }
  return [200, { problems: entries.map(() => null), items }];
}

async function decidedGrid(answer, storage = memory()) {
  serve(() => [200, { rows: [row("a"), row("b")], count: 2, all: 2, undecided: 2 }]);
  const rows = new RowPages("r");
  await rows.open({});
  const requests = serve(answer);
  const status = new RecordedStatus();
  const verdicts = new Verdicts("r", { rows, status, onChange: () => {}, storage });
  verdicts.update({ ticket: "t", author: "ann" }, { name: "ann" });
  return { rows, status, verdicts, requests, storage };
}

const sentItems = (requests) =>
  requests.flatMap(({ options }) => JSON.parse(options.body).entries.map((entry) => entry.items[0]));

test("verdicts show at once and are sent in the order of the keys, those that wait in one request", async () => {
  const { rows, status, verdicts, requests, storage } = await decidedGrid(confirming);
  for (let k = 0; k < 50; k++) verdicts.decide(["a"], "odd");
  verdicts.decide(["b"], "normal");
  assert.deepEqual([rows.row(0).decision, rows.row(1).decision, rows.undecided], ["odd", "normal", 0]);
  assert.equal(Object.keys(storage).length, 51);
  await verdicts.settled();
  assert.equal(sentItems(requests).at(-1), "b");
  assert.equal(requests.length, 2);
  assert.equal(Object.keys(storage).length, 0);
  assert.equal(status.lines.at(-1), "b: normal");
});

test("what a page left behind is sent by the next one, in order", async () => {
  const storage = memory();
  const first = await decidedGrid(() => [500, {}], storage);
  first.verdicts.outbox.send = () => {}; // that page is gone
  for (const decision of ["odd", "normal", "unsure"]) first.verdicts.decide(["a"], decision);
  const { requests, verdicts, rows, status } = await decidedGrid(confirming, storage);
  assert.match(status.lines[0], /3 verdicts of yours were not saved yet/);
  await verdicts.settled();
  const decisions = JSON.parse(requests[0].options.body).entries.map((entry) => entry.decision);
  assert.deepEqual(decisions, ["odd", "normal", "unsure"]);
  assert.equal(rows.row(0).decision, "unsure");
  assert.equal(Object.keys(storage).length, 0);
});

test("what is no verdict in the browser's storage is dropped", async () => {
  const storage = memory();
  const texts = ["{", "null", "7", '{"key":1}', '{"key":"k","items":"a","decision":"odd"}', '{"key":"k","items":[1]}'];
  for (const [k, text] of texts.entries()) storage.setItem(`oddpixel-outbox/r/${k}`, text);
  const { verdicts } = await decidedGrid(confirming, storage);
  assert.equal(verdicts.outbox.count, 0);
  assert.equal(Object.keys(storage).length, 0);
});

test("a server that is away, or knows the ticket no more, loses nothing", async () => {
  const answers = [
    [502, {}],
    [403, { error: { message: "expired" } }],
  ];
  const { verdicts, requests, rows } = await decidedGrid((url, options) => {
    if (url.includes("/ticket")) return [200, { ticket: "new", author: "ann" }];
    return answers.shift() ?? confirming(url, options);
  });
  verdicts.decide(["a"], "odd");
  await verdicts.settled();
  const verdictRequests = requests.filter(({ url }) => url.includes("/verdicts"));
  assert.equal(verdictRequests.length, 3);
  assert.equal(verdictRequests.at(-1).options.headers["x-oddpixel-ticket"], "new");
  const keys = verdictRequests.map(({ options }) => JSON.parse(options.body).entries[0].key);
  assert.equal(new Set(keys).size, 1, "the server knows it again by its key");
  assert.equal(rows.row(0).decision, "odd");
});

test("a verdict that was refused is taken back on the screen, and sinks no other", async () => {
  const { rows, status, verdicts } = await decidedGrid((url, options) =>
    options.body.includes('"a"') ? [400, { error: { message: "no such item" } }] : confirming(url, options),
  );
  verdicts.decide(["a"], "odd");
  verdicts.decide(["b"], "normal");
  await verdicts.settled();
  assert.deepEqual([rows.row(0).decision, rows.row(1).decision, rows.undecided], [null, "normal", 1]);
  assert.ok(status.lines.includes("error: Not saved: no such item"));
});

test("what the server could not do is said, and its own decision shown", async () => {
  const { rows, status, verdicts } = await decidedGrid(() => [
    200,
    { problems: ["ann has decided nothing"], items: { a: { decision: "normal", opinions: { ben: "normal" } } } },
  ]);
  verdicts.decide(["a"], "odd");
  await verdicts.settled();
  assert.equal(rows.row(0).decision, "normal");
  assert.ok(status.lines.includes("error: Not saved: ann has decided nothing"));
});

test("undo takes back the last verdict, and names its item", async () => {
  const { rows, verdicts } = await decidedGrid(confirming);
  verdicts.decide(["a"], "odd");
  verdicts.decide(["b"], "normal");
  assert.equal(verdicts.undo(), "b");
  await verdicts.settled();
  assert.deepEqual([rows.row(0).decision, rows.row(1).decision], ["odd", null]);
});

test("a verdict on many is one entry, and undo takes it back by its key", async () => {
  const { verdicts, requests } = await decidedGrid(confirming);
  verdicts.decide(
    Array.from({ length: 2500 }, (_, k) => `i${k}`),
    "odd",
  );
  verdicts.undo();
  await verdicts.settled();
  const [decided, undone] = requests.flatMap(({ options }) => JSON.parse(options.body).entries);
  assert.equal(decided.items.length, 2500);
  assert.equal(undone.undoes, decided.key);
  assert.equal(undone.decision, null);
});

test("an undo that cannot be done is offered again, and more items than can be told are no error", async () => {
  const answers = [
    { problems: [null], items: null },
    { problems: ["nothing of it is left"], items: {} },
  ];
  const { verdicts, status } = await decidedGrid(() => [200, answers.shift() ?? { problems: [null], items: {} }]);
  verdicts.decide(["a", "b"], "odd");
  await verdicts.settled();
  verdicts.undo();
  await verdicts.settled();
  assert.ok(status.lines.includes("error: Not taken back: nothing of it is left"));
  assert.equal(verdicts.undo(), "a");
  await verdicts.settled();
});

test("what others decide is taken, but for what is still on its way", async () => {
  const { rows, verdicts } = await decidedGrid(confirming);
  verdicts.decide(["a"], "odd");
  const others = { decision: "normal", opinions: { ben: "normal" } };
  verdicts.learn({ a: others, b: others });
  assert.deepEqual([rows.row(0).decision, rows.row(1).decision], ["odd", "normal"]);
  await verdicts.settled();
});

// The queue of the case view

function queueServer(names) {
  return serve((url) => {
    const query = new URL(url, "http://x").searchParams;
    if (url.includes("/place?")) {
      const place = names.indexOf(query.get("of"));
      return [200, { place: place < 0 ? null : place }];
    }
    const offset = Number(query.get("offset"));
    return [200, { rows: names.slice(offset, offset + Number(query.get("limit"))).map((name) => row(name)) }];
  });
}

test("the queue goes on behind an item that left it by being decided", async () => {
  const names = Array.from({ length: 500 }, (_, k) => `i${k}`);
  queueServer(names);
  const queue = new CaseQueue("r", { decision: "undecided" });
  let item = "i0";
  for (let k = 1; k < 500; k++) {
    names.splice(names.indexOf(item), 1); // decided
    item = (await queue.neighbour(item, 1)).item;
    assert.equal(item, `i${k}`);
  }
  assert.equal(await queue.neighbour(item, 1), null);
});

test("the queue goes back to its first, and is asked seldom", async () => {
  const names = Array.from({ length: 500 }, (_, k) => `i${k}`);
  const requests = queueServer(names);
  const queue = new CaseQueue("r", {});
  let item = "i400";
  for (let k = 399; k >= 0; k--) {
    item = (await queue.neighbour(item, -1)).item;
    assert.equal(item, `i${k}`);
  }
  assert.equal(await queue.neighbour(item, -1), null);
  assert.ok(requests.length < 12, String(requests.length));
});
