// What asks the server, with a fetch of the test's own.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { RowPages } from "../../../dashboards/components/grid/row-pages.js";
import { Verdicts } from "../../../dashboards/components/grid/verdicts.js";
import { postJson, RequestError, requestJson, routeUrl } from "../../../dashboards/components/shared/requests.js";
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

async function decidedGrid(answer) {
  serve(() => [200, { rows: [row("a"), row("b")], count: 2, all: 2, undecided: 2 }]);
  const rows = new RowPages("r");
  await rows.open({});
  const requests = serve(answer);
  const status = new RecordedStatus();
  const verdicts = new Verdicts("r", { rows, status, onChange: () => {} });
  return { rows, status, verdicts, requests };
}

test("verdicts show at once and are sent in the order of the keys", async () => {
  const { rows, verdicts, requests } = await decidedGrid(() => [200, {}]);
  verdicts.decide(["a"], "odd");
  verdicts.decide(["b"], "normal");
  assert.deepEqual([rows.row(0).decision, rows.row(1).decision, rows.undecided], ["odd", "normal", 0]);
  await verdicts.settled();
  assert.deepEqual(
    requests.map(({ options }) => JSON.parse(options.body).items[0]),
    ["a", "b"],
  );
});

test("a verdict that was refused is taken back on the screen, and does not hold up the next", async () => {
  const { rows, status, verdicts } = await decidedGrid((_, { body }) =>
    body.includes('"a"') ? [403, { error: { message: "too old" } }] : [200, {}],
  );
  verdicts.decide(["a"], "odd");
  verdicts.decide(["b"], "normal");
  await verdicts.settled();
  assert.deepEqual([rows.row(0).decision, rows.row(1).decision, rows.undecided], [null, "normal", 1]);
  assert.deepEqual(status.lines, ["error: Not saved: too old", "b: normal"]);
});

test("undo takes back the last verdict, and goes to its item", async () => {
  const { rows, verdicts } = await decidedGrid((url) => [
    200,
    url.includes("undo") ? { undone: { b: "undecided" } } : {},
  ]);
  const visited = [];
  verdicts.decide(["a"], "odd");
  verdicts.decide(["b"], "normal");
  verdicts.undo((item) => visited.push(item));
  await verdicts.settled();
  assert.deepEqual([rows.row(0).decision, rows.row(1).decision], ["odd", null]);
  assert.deepEqual(visited, ["b"]);
});
