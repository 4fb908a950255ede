import { Outbox } from "../shared/outbox.js";

/** Verdicts show at once and are on their way until the server has confirmed them (`Outbox`). */
export class Verdicts {
  /**
   * @param rows - RowPages.
   * @param onChange - called with the indices of rows whose verdict changed.
   */
  constructor(run, { rows, status, onChange, storage }) {
    Object.assign(this, { run, rows, status, onChange });
    this.decided = []; // {items, key}, to take back
    this.outbox = new Outbox(run, {
      author: () => this.author.name,
      onConfirmed: (items) => this.confirm(items),
      onProblem: (entry, because) => this.showProblem(entry, because),
      storage,
    });
    if (this.outbox.count) status.show(`${this.outbox.count} verdicts of yours were not saved yet; they are sent now.`);
  }

  /** @param author - tells `name`, who decides; the ticket may be of somebody else still. */
  update(given, author) {
    this.author = author;
    this.outbox.setTicket(given.author, given.ticket);
  }

  decide(items, decision) {
    this.before = new Map([...(this.before ?? []), ...this.rows.decisionsOf(items)]);
    this.onChange(this.rows.setDecision(items, decision));
    this.said = `${describe(items)}: ${decision}`;
    this.decided.push({ items, key: this.outbox.add(items, decision) });
  }

  /**
   * Takes back the last verdict, of all its items or, where that cannot be, of none.
   * @returns the item whose verdict is taken back; undefined without any.
   */
  undo() {
    const last = this.decided.pop();
    if (!last) {
      this.status.show("There is nothing of yours here to take back.");
      return undefined;
    }
    const { items, key } = last;
    this.said = `${describe(items)}: taken back`;
    this.outbox.add(items, null, { undoes: key });
    return items[0];
  }

  /** What the server says of items; what is still on its way is newer. */
  learn(items) {
    const settled = Object.entries(items).filter(([item]) => !this.outbox.isWaiting(item));
    this.onChange(this.rows.learn(Object.fromEntries(settled)));
  }

  /** @param items - null for more than can be told one by one: then all rows are read anew with the next look for changes. */
  confirm(items) {
    if (items) this.learn(items);
    if (!this.outbox.count && this.said) this.status.show(this.said);
  }

  showProblem(entry, because) {
    for (const item of entry?.items ?? []) {
      if (this.before?.has(item) && !this.outbox.isWaiting(item)) {
        this.onChange(this.rows.setDecision([item], this.before.get(item)));
      }
    }
    if (entry?.undoes) this.decided.push({ items: entry.items, key: entry.undoes }); // it can be tried again
    const what = entry ? `${entry.decision === null ? "Not taken back" : "Not saved"}: ` : "";
    this.said = null;
    this.status.showError(what + because);
  }

  /** Once everything that was decided has been sent. */
  settled() {
    return this.outbox.settled();
  }
}

function describe(items) {
  return items.length === 1 ? items[0] : `${items.length} items`;
}
