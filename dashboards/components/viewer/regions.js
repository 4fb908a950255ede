import { newKey } from "../shared/outbox.js";

/** The regions of items: what the server said, with what is on its way; each change goes the way that verdicts go. */
export class Regions {
  /**
   * @param verdictBar - its outbox, author and permission are those of regions too.
   * @param onChange - called when something is to be drawn anew.
   */
  constructor({ verdictBar, status, onChange }) {
    Object.assign(this, { verdictBar, status, onChange });
    this.known = new Map(); // item -> regions by key
    this.changes = []; // {item, before, after}, to take back
    this.item = null;
    this.selectedKey = null;
  }

  /** Shows an item's, as far as they are known. */
  show(item) {
    Object.assign(this, { item, selectedKey: null });
    this.onChange();
  }

  /** What the server says of an item; what is still on its way is newer. */
  learn(item, regions) {
    const byKey = new Map(regions.map((region) => [region.key, region]));
    for (const { items, author, region } of this.verdictBar.outbox.entries) {
      if (region && items[0] === item) byKey.set(region.key, { ...region, author: author || this.author });
    }
    this.known.set(item, byKey);
    if (item === this.item) this.onChange();
  }

  get author() {
    return this.verdictBar.author.name;
  }

  /** Those of the item that is shown, in the order in which they were drawn. */
  get list() {
    return [...(this.known.get(this.item)?.values() ?? [])].filter(({ points }) => points.length);
  }

  isOwn({ author }) {
    return author === this.author;
  }

  get own() {
    return this.list.filter((region) => this.isOwn(region));
  }

  /** Null without one; only one's own is ever selected. */
  get selected() {
    return this.own.find(({ key }) => key === this.selectedKey) ?? null;
  }

  select(key) {
    this.selectedKey = key;
    this.onChange();
  }

  async add(kind, points) {
    const { item } = this;
    if (!this.verdictBar.permission.isGiven()) return;
    if (!(await this.verdictBar.author.known())) {
      this.status.show("Nothing was drawn: regions need a name.");
      return;
    }
    const region = { key: newKey(), kind, points, label: "" };
    this.put(item, { ...region, points: [] }, region);
    if (item === this.item) this.select(region.key);
    this.status.show("Region drawn.");
  }

  /** Points or label of the selected one. */
  change(changed) {
    const before = this.selected;
    if (before && this.verdictBar.permission.isGiven()) this.put(this.item, before, { ...before, ...changed });
  }

  remove() {
    if (!this.selected) return;
    this.change({ points: [] });
    this.status.show("Region taken away; Y brings it back.");
  }

  /** Takes back the last change that was made here to a region of this item. */
  undo() {
    const index = this.changes.findLastIndex(({ item }) => item === this.item);
    if (index < 0) {
      this.status.show("There is no change of a region here to take back.");
      return;
    }
    const [{ item, before, after }] = this.changes.splice(index, 1);
    this.put(item, after, before);
    this.changes.pop(); // taking back is nothing to take back
    this.select(before.points.length ? before.key : null);
    this.status.show("Change of a region taken back.");
  }

  put(item, before, after) {
    const region = { key: after.key, kind: after.kind, points: after.points.map(rounded), label: after.label };
    this.changes.push({ item, before, after: region });
    if (!this.known.has(item)) this.known.set(item, new Map());
    this.known.get(item).set(region.key, { ...region, author: this.author });
    this.verdictBar.outbox.add([item], null, { region });
    this.onChange();
  }
}

function rounded([x, y]) {
  return [Math.round(100 * x) / 100, Math.round(100 * y) / 100];
}
