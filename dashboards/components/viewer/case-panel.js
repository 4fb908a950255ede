import { make } from "../shared/dom.js";
import { formatNumber } from "../shared/numbers.js";
import { routeUrl } from "../shared/requests.js";

const CAUTION = "Not flagged does not mean sound: it is no rarer than the normal images that were shown.";

/** Beside the picture: why it looks odd, what the run promises and would find, and what normal looks like. */
export class CasePanel {
  /** @param onCompare - called with the rank of a normal item that was chosen. */
  constructor(run, onCompare) {
    Object.assign(this, { run, onCompare });
    this.figures = make("span", { class: "figures" });
    this.reasons = make("div", { class: "reasons" });
    this.promise = make("div", { class: "promise" });
    this.normals = make("div", { class: "normals" });
    this.element = make(
      "aside",
      { class: "panel", "aria-label": "About this case", tabindex: 0 },
      make("h3", { text: "Why" }),
      this.reasons,
      this.promise,
      make("h3", { text: "Most alike, not flagged" }),
      this.normals,
    );
  }

  /** @param about - what holds for every case of the run: kind, promise, power. */
  open(about) {
    this.about = about;
  }

  /** Until the next item's facts are here. */
  clear() {
    this.figures.replaceChildren();
    this.reasons.replaceChildren();
    this.promise.replaceChildren();
    this.normals.replaceChildren();
  }

  show(facts) {
    this.figures.replaceChildren(...figuresOf(facts, this.about));
    this.reasons.replaceChildren(...reasonsOf(facts, this.about));
    this.promise.replaceChildren(...promiseOf(facts, this.about));
  }

  showNormals(normals) {
    if (!normals.length) this.normals.replaceChildren(quiet("This run has no such items."));
    else this.normals.replaceChildren(...normals.map((normal, k) => this.normalButton(normal, k + 1)));
  }

  normalButton({ item, thumbnail, correlation }, rank) {
    const label = `Compare with ${item}, not flagged, r = ${correlation.toFixed(3)}`;
    const attributes = { "aria-label": label, title: label, "data-rank": rank, onclick: () => this.onCompare(rank) };
    const picture = make("img", { src: routeUrl(this.run, "thumbnail", { name: thumbnail }), alt: "" });
    return make("button", attributes, picture, make("span", { text: `r = ${correlation.toFixed(3)}` }));
  }

  /** Marks the normal item that is compared with; null for none. */
  pressNormal(rank) {
    for (const button of this.normals.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.rank === String(rank)));
    }
  }
}

function figuresOf({ error, flagged, p_value, q_value, raw }, { kind }) {
  if (error) return [make("span", { class: "chip", text: "not readable" })];
  const measured = [
    ["p", p_value],
    ["q", q_value],
    ["oddness", raw],
  ].filter(([, value]) => value !== null);
  const text = measured.map(([name, value]) => `${name} = ${formatNumber(value, 3)}`).join(", ");
  const isDecided = kind === "flag" && flagged !== null;
  const chip = { class: `chip ${flagged ? "flagged" : "unflagged"}`, text: flagged ? "flagged" : "not flagged" };
  return [...(isDecided ? [make("span", chip)] : []), make("span", { text })];
}

function reasonsOf({ error, p_value, reasons }, { kind }) {
  if (error) return [make("p", { class: "error", text: error })];
  if (p_value === null && kind !== "audit") return [quiet("This run did not score its items (oddpixel flag does).")];
  const lines = reasons.map(({ because, channel, p_value: p }) =>
    make(
      "li",
      {},
      because,
      make("span", { class: "faint", text: ` (${channel}${p === null ? "" : `, p = ${formatNumber(p, 3)}`})` }),
    ),
  );
  return [make("ul", {}, ...lines)];
}

function promiseOf({ error, p_value, item, flagged }, { kind, promise, power, run }) {
  if (kind === "audit") {
    const address = `/audit?${new URLSearchParams({ run, item })}`;
    return [
      quiet("No result here says that an image is authentic."),
      make("a", { href: address, text: "Open the report" }),
    ];
  }
  if (error || p_value === null) return [];
  const said = [promise ? `${sentence(promise)}.` : "No guarantee: see the warnings of the run."];
  if (!flagged) said.push(CAUTION);
  if (power) said.push(`What it finds: ${power}.`);
  return said.map(quiet);
}

function sentence(text) {
  return text[0].toUpperCase() + text.slice(1);
}

function quiet(text) {
  return make("p", { class: "faint", text });
}
