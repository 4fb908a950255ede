import { requestJson, routeUrl } from "../shared/requests.js";

export const PAGE = 100;

/** The rows of a query, in pages that are requested when they come into sight. */
export class RowPages {
  constructor(run) {
    this.run = run;
    this.pages = new Map(); // index of a page -> its rows, null while they are on their way
    this.count = 0;
  }

  /**
   * Begins a query, with its first page and its counts.
   * @returns whether it is still the latest one.
   */
  async open(query) {
    const pages = new Map([[0, null]]);
    Object.assign(this, { query, pages });
    try {
      const { rows, count, all, undecided, tags } = await requestJson(this.url({ offset: 0, limit: PAGE, count: 1 }));
      pages.set(0, rows);
      if (this.pages === pages) Object.assign(this, { count, all, undecided, tags });
    } catch (error) {
      if (this.pages !== pages) return false;
      this.count = 0;
      throw error;
    }
    return this.pages === pages;
  }

  /**
   * Requests a page that is not here.
   * @returns whether it came, and is of the latest query.
   */
  async fetch(index) {
    const { pages } = this;
    if (pages.has(index)) return false;
    pages.set(index, null);
    try {
      const { rows } = await requestJson(this.url({ offset: index * PAGE, limit: PAGE }));
      pages.set(index, rows);
    } catch (error) {
      pages.delete(index);
      throw error;
    }
    return this.pages === pages;
  }

  /** The names of rows, whether they are here or not, in the order of the query. */
  async names(first, count) {
    const query = { ...this.query, offset: first, limit: count };
    return (await requestJson(routeUrl(this.run, "items", query))).items;
  }

  url(more) {
    return routeUrl(this.run, "rows", { ...this.query, ...more });
  }

  row(index) {
    return this.pages.get(Math.floor(index / PAGE))?.[index % PAGE] ?? null;
  }

  /** Pairs of index and row, of the pages that are here. */
  *entries() {
    for (const [page, rows] of this.pages) {
      for (const [k, row] of (rows ?? []).entries()) yield [page * PAGE + k, row];
    }
  }

  indexOf(item) {
    return [...this.entries()].find(([, row]) => row.item === item)?.[0];
  }

  /** The verdicts that items have now. */
  decisionsOf(items) {
    const wanted = new Set(items);
    return new Map(
      [...this.entries()].filter(([, row]) => wanted.has(row.item)).map(([, row]) => [row.item, row.decision]),
    );
  }

  /** Takes what the server says of items: item -> {decision, opinions}; returns the indices of the rows that it changes. */
  learn(items) {
    const changed = [];
    for (const [index, row] of this.entries()) {
      const said = items[row.item];
      if (!said) continue;
      row.opinions = said.opinions;
      changed.push(index);
      if (row.decision !== said.decision) this.setDecision([row.item], said.decision);
    }
    return changed;
  }

  /** Notes the tags of items: item -> list; returns the indices of the rows that have them. */
  setTags(tagged) {
    const changed = [...this.entries()].filter(([, row]) => row.item in tagged);
    for (const [, row] of changed) row.tags = tagged[row.item];
    return changed.map(([index]) => index);
  }

  /** Notes a verdict, null for none; returns the indices of the rows that have it. */
  setDecision(items, decision) {
    const wanted = new Set(items);
    const changed = [...this.entries()].filter(([, row]) => wanted.has(row.item));
    for (const [, row] of changed) {
      this.undecided += (decision === null ? 1 : 0) - (row.decision === null ? 1 : 0);
      row.decision = decision;
    }
    return changed.map(([index]) => index);
  }
}
