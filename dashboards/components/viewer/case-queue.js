import { requestJson, routeUrl } from "../shared/requests.js";

const BEHIND = 50;
const PAGE = 200; // rows in one answer
const NEAR_THE_END = 20; // rows left, with which more are asked for

/**
 * The queue that a case came from, as it stood when rows were read: what is decided meanwhile stays where it was, so that
 * the next is always the one behind, also where the queue shows undecided items only.
 */
export class CaseQueue {
  constructor(run, query) {
    Object.assign(this, { run, query });
    this.rows = [];
    this.isWhole = { first: false, last: false };
  }

  indexOf(item) {
    return this.rows.findIndex((row) => row.item === item);
  }

  row(item) {
    return this.rows[this.indexOf(item)] ?? null;
  }

  /** The row so many places behind an item; null beyond either end. */
  async neighbour(item, by) {
    await this.readAround(item, by);
    return this.known(item, by);
  }

  /** The same without asking the server; null where it is not known. */
  known(item, by) {
    const index = this.indexOf(item);
    if (index >= 0) this.at = item;
    // A slice beside the queue: on from where the queue was left.
    const from = index >= 0 ? index : this.indexOf(this.at);
    return (from < 0 ? this.rows[0] : this.rows[from + by]) ?? null;
  }

  /** Reads rows in advance, as far as they are not here. */
  async readAround(item, by = 1) {
    const own = this.indexOf(item);
    const index = own < 0 ? this.indexOf(this.at) : own;
    if (index < 0) return this.readFrom(item);
    const left = this.rows.length - 1 - index;
    if (by > 0 && !this.isWhole.last && left < NEAR_THE_END) {
      this.reading ??= this.readMore().finally(() => {
        this.reading = null;
      });
      if (left < by) await this.reading;
    }
    if (by < 0 && !this.isWhole.first && index + by < 0) await this.readBefore();
    return undefined;
  }

  async readFrom(item) {
    const place = await this.place(item);
    const offset = Math.max((place ?? 0) - BEHIND, 0);
    const rows = await this.page(offset, PAGE);
    this.rows = rows;
    this.isWhole = { first: offset === 0, last: rows.length < PAGE };
  }

  async readMore() {
    for (const last of this.rows.slice(-NEAR_THE_END).reverse()) {
      const place = await this.place(last.item);
      if (place === null) continue; // decided meanwhile, so no longer among them
      // Some before it may be decided between the two answers: then it lies a little earlier than it did.
      const first = Math.max(place - BEHIND, 0);
      const limit = place - first + PAGE;
      const rows = await this.page(first, limit);
      const known = new Set(this.rows.map((row) => row.item));
      if (!rows.some((row) => row.item === last.item)) continue;
      this.rows.push(...rows.filter((row) => !known.has(row.item)));
      this.isWhole.last = rows.length < limit;
      return;
    }
    this.isWhole.last = true;
  }

  async readBefore() {
    const place = await this.place(this.rows[0].item);
    const offset = Math.max((place ?? 0) - PAGE, 0);
    const rows = place ? await this.page(offset, place - offset) : [];
    this.rows.unshift(...rows);
    this.isWhole.first = offset === 0;
  }

  async place(item) {
    return (await requestJson(routeUrl(this.run, "place", { ...this.query, of: item }))).place;
  }

  async page(offset, limit) {
    return (await requestJson(routeUrl(this.run, "rows", { ...this.query, offset, limit }))).rows;
  }
}
