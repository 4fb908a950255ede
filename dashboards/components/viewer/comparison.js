import { make, makeOptions, setVisible } from "../shared/dom.js";
import { dropdown, labelled } from "../shared/toolbar.js";

const GROUPS = { synthetic: "Synthetic", normal: "Most alike, not flagged", group: "Same group" };

/**
 * What an original can be compared with, of which one at a time is: synthetic pictures of it, normal items that look like it,
 * other items of its group. A choice is {key, name, label, title, query}, and for a synthetic picture its mark, maker and window.
 */
export class Comparison {
  /**
   * @param open - gives the pyramid of a choice, later.
   * @param onChange - called when another picture, or none, is compared with; with a display mode for a new picture.
   */
  constructor({ open, onChange, status }) {
    Object.assign(this, { openPyramid: open, onChange, status });
    this.newest = undefined; // key of the newest synthetic picture that was offered
    this.wanted = ""; // key of what is compared with, here and at every further item that has it
    this.clear();
    this.select = dropdown("Compare with", [], (key) => this.compare(key));
    this.element = labelled("Compare with", this.select);
  }

  /** Until something is offered for the next item. */
  clear() {
    this.choices = { synthetic: [], normal: [], group: [] };
    this.picture = null; // what is compared with, once its pyramid is here
  }

  /** What there is of a kind: synthetic pictures the newest first, and one that is new is shown at once. */
  offer(kind, choices) {
    this.choices[kind] = choices.map((choice) => ({ ...choice, isSynthetic: kind === "synthetic" }));
    this.list();
    const newest = kind === "synthetic" ? choices[0]?.key : undefined;
    const isNew = newest !== undefined && newest !== this.newest;
    if (kind === "synthetic") this.newest = newest;
    return isNew ? this.compare(newest, "side") : this.show();
  }

  list() {
    const groups = Object.entries(this.choices).filter(([, choices]) => choices.length);
    const shown = groups.map(([kind, choices]) =>
      make("optgroup", { label: GROUPS[kind] }, ...makeOptions(choices.map(({ key, label }) => [key, label]))),
    );
    this.select.replaceChildren(...makeOptions([["", "nothing else"]]), ...shown);
    setVisible(this.element, groups.length > 0);
  }

  /** @param key - of a choice; empty for the heat map. */
  compare(key, mode) {
    this.wanted = key;
    return this.show(mode);
  }

  get chosen() {
    return Object.values(this.choices)
      .flat()
      .find(({ key }) => key === this.wanted);
  }

  async show(mode) {
    const { chosen } = this;
    this.select.value = chosen?.key ?? "";
    if (!isSame(this.picture, chosen)) this.picture = null;
    const opened = chosen && !this.picture ? await this.open(chosen) : this.picture;
    if (!isSame(this.chosen, chosen)) return; // another was chosen meanwhile
    this.picture = opened;
    this.onChange(mode);
  }

  async open(choice) {
    try {
      return { ...choice, pyramid: await this.openPyramid(choice.query) };
    } catch (error) {
      this.status.showError(`${choice.title} cannot be shown: ${error.message}`);
      return null;
    }
  }
}

/** Whether two choices are of the same picture. */
function isSame(one, other) {
  return String(one && urlOf(one)) === String(other && urlOf(other));
}

function urlOf({ query }) {
  return new URLSearchParams(query).toString();
}

/** Synthetic pictures of an item, as Python tells of them. Their SHA-256 keeps an earlier one out of the browser's cache. */
export function syntheticChoices(item, pictures) {
  return pictures.map(({ name, sha256, title, mark, maker, window }) => ({
    key: `synthetic/${sha256}`,
    name,
    label: title,
    title: "synthetic",
    query: { item, synthetic: name, sha256 },
    mark,
    maker,
    window,
  }));
}

/** By their rank, which the next case has too. */
export function normalChoices(normals) {
  return normals.map(({ item, correlation }, k) => ({
    key: `normal/${k + 1}`,
    name: `normal ${k + 1}`,
    label: `${k + 1}. ${item} (r = ${correlation.toFixed(3)})`,
    title: `not flagged: ${item}`,
    query: { item },
  }));
}
