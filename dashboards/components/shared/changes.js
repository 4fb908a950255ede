import { requestJson, routeUrl } from "./requests.js";

const EVERY = 3000; // milliseconds

/** What others, or other pages, decide: asked for every few seconds while the page is in sight. */
export class Changes {
  /** @param onChange - called with item -> {decision, opinions}; with null where so much changed that all is to be read anew. */
  constructor(run, onChange) {
    Object.assign(this, { run, onChange });
    this.since = null;
    this.timer = setInterval(() => this.ask(), EVERY);
    this.ask();
  }

  stop() {
    clearInterval(this.timer);
  }

  async ask() {
    if (document.hidden || this.asking) return;
    this.asking = true;
    try {
      const { seq, items } = await requestJson(routeUrl(this.run, "changes", { since: this.since ?? 0 }));
      const isFirst = this.since === null;
      this.since = seq;
      if (!isFirst && (items === null || Object.keys(items).length)) this.onChange(items);
    } catch {
      // The server is away: verdicts say so, and the next look may find it again.
    } finally {
      this.asking = false;
    }
  }
}
