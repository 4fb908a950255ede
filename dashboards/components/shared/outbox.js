import { postJson, routeUrl } from "./requests.js";

const ENTRIES_AT_ONCE = 200;
const ITEMS_AT_ONCE = 1000; // in a batch of several entries
const FIRST_WAIT = 500; // milliseconds, before something that could not be sent is sent again; then twice as long
const LONGEST_WAIT = 10_000;
const LARGEST_KEPT_ALIVE = 60_000; // characters that a browser still sends when its page goes

/**
 * Verdicts on their way: kept in the browser until the server has confirmed them, sent in order and in batches, again after a
 * reload or a restart. The server does each once, by its key, however often it comes.
 */
export class Outbox {
  /**
   * @param author - tells who decides.
   * @param onConfirmed - called with what the server says of the items now: item -> {decision, opinions}; with nothing where
   *   they are too many to be told one by one.
   * @param onProblem - called with an entry that could not be done, and why; without an entry where nothing can be sent now.
   */
  constructor(run, { author, onConfirmed, onProblem, storage = localStorage }) {
    Object.assign(this, { run, author, onConfirmed, onProblem, storage });
    this.prefix = `oddpixel-outbox/${run}/`;
    this.entries = this.kept();
    this.tickets = new Map(); // author -> ticket
    this.singly = 0; // entries to be sent one by one, since one of them sank a batch
  }

  /** Those that an earlier page left, in order. */
  kept() {
    const names = Object.keys(this.storage).filter((name) => name.startsWith(this.prefix));
    return names.sort().flatMap((name) => {
      const entry = parsed(this.storage.getItem(name));
      if (entry && this.prefix + entry.key === name) return entry;
      this.storage.removeItem(name); // nothing that this page could have written
      return [];
    });
  }

  /** The ticket that the page was given for an author; what has waited for one is sent. */
  setTicket(author, ticket) {
    this.tickets.set(author, ticket);
    this.send();
  }

  /**
   * @param decision - null takes back: all that was added under the key `undoes`; without one the author's newest decision about
   *   the items.
   * @param region - a version of a region of the one item; then nothing is decided.
   * @returns the key of what was added.
   */
  add(items, decision, { note = "", undoes, region } = {}) {
    const entry = { key: newKey(), author: this.author(), items, decision, note, undoes, region };
    this.entries.push(entry);
    this.keep(entry);
    this.send();
    return entry.key;
  }

  keep(entry) {
    try {
      this.storage.setItem(this.prefix + entry.key, JSON.stringify(entry));
    } catch {
      this.onProblem(null, "this browser keeps nothing: do not close the page before everything is saved");
    }
  }

  /** Whether something about an item is still on its way. */
  isWaiting(item) {
    return this.entries.some(({ items }) => items.includes(item));
  }

  get count() {
    return this.entries.length;
  }

  /** Once everything has been confirmed or refused. */
  async settled() {
    while (this.entries.length) await (this.sending ?? pause(FIRST_WAIT));
  }

  send() {
    if (this.sending || !this.entries.length || !this.tickets.size) return;
    this.sending = this.sendAll().finally(() => {
      this.sending = null;
    });
  }

  async sendAll() {
    let wait = FIRST_WAIT;
    while (this.entries.length) {
      if (await this.sendBatch(this.nextBatch())) {
        wait = FIRST_WAIT;
        continue;
      }
      await pause(wait);
      wait = Math.min(2 * wait, LONGEST_WAIT);
    }
  }

  /** @returns whether it was answered for good. */
  async sendBatch(batch) {
    try {
      this.confirm(batch, await this.post(batch));
      return true;
    } catch (error) {
      if (isFinal(error)) return this.refuse(batch, error.message);
      this.onProblem(null, `${this.count} not saved yet: ${error.message}; they are kept here and sent again`);
      if (error.status === 403) this.tickets.delete(this.authorOf(batch[0]));
      return false;
    }
  }

  nextBatch() {
    const batch = [];
    let items = 0;
    for (const entry of this.entries.slice(0, this.singly ? 1 : ENTRIES_AT_ONCE)) {
      items += entry.items.length;
      if (batch.length && (items > ITEMS_AT_ONCE || entry.author !== batch[0].author)) break;
      batch.push(entry);
    }
    return batch;
  }

  async post(batch) {
    const keepalive = JSON.stringify(batch).length < LARGEST_KEPT_ALIVE;
    const ticket = await this.ticketOf(this.authorOf(batch[0]));
    return postJson(routeUrl(this.run, "verdicts"), ticket, { entries: batch }, { keepalive });
  }

  /** What somebody decided on an earlier page stays theirs, whoever this page belongs to. */
  authorOf(entry) {
    return entry.author || this.author();
  }

  async ticketOf(author) {
    if (!this.tickets.has(author))
      this.tickets.set(author, (await postJson("/oddpixel/ticket", "", { author })).ticket);
    return this.tickets.get(author);
  }

  confirm(batch, { problems, items }) {
    this.drop(batch);
    for (const [k, problem] of problems.entries()) if (problem) this.onProblem(batch[k], problem);
    const settled = items && Object.entries(items).filter(([item]) => !this.isWaiting(item));
    this.onConfirmed(settled && Object.fromEntries(settled));
  }

  /** One entry that cannot be must not take others with it: then they are sent one by one. */
  refuse(batch, because) {
    if (batch.length > 1) {
      this.singly = batch.length;
      return true;
    }
    this.drop(batch);
    this.onProblem(batch[0], because);
    return true;
  }

  drop(batch) {
    this.entries = this.entries.filter((entry) => !batch.includes(entry));
    this.singly = Math.max(this.singly - batch.length, 0);
    for (const { key } of batch) this.storage.removeItem(this.prefix + key);
  }
}

/** The entry that a text in the storage holds; null where it holds none. */
function parsed(text) {
  try {
    const { key, author, items, decision, note = "", undoes, region } = JSON.parse(text);
    const isEntry =
      typeof key === "string" &&
      Array.isArray(items) &&
      items.every((item) => typeof item === "string") &&
      (decision === null || typeof decision === "string") &&
      (undoes === undefined || typeof undoes === "string") &&
      (region === undefined || Array.isArray(region?.points));
    const said = { key, author: author && String(author), items, decision, note: String(note), undoes, region };
    return isEntry ? said : null;
  } catch {
    return null;
  }
}

/** Whether sending it again could never help. */
function isFinal({ status }) {
  return status >= 400 && status < 500 && ![401, 403, 408, 429].includes(status);
}

/** Keys sort by when they were made. */
export function newKey() {
  newKey.count = (newKey.count ?? 0) + 1;
  const time = Date.now().toString(36).padStart(9, "0");
  const random = [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0"));
  return `${time}-${newKey.count.toString(36).padStart(6, "0")}-${random.join("")}`;
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
