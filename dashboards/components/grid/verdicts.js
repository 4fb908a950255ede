import { Outbox } from "../shared/outbox.js";

/** Verdicts show at once and are on their way until the server has confirmed them (`Outbox`). */
export class Verdicts {
  /**
   * @param rows - RowPages.
   * @param onChange - called with the indices of rows whose verdict changed.
   */
  constructor(run, { rows, status, onChange, storage }) {
    Object.assign(this, { run, rows, status, onChange });
    this.decided = []; // lists of items, to take back
    this.outbox = new Outbox(run, {
      author: () => this.author,
      onConfirmed: (items) => this.confirm(items),
      onProblem: (entry, because) => this.showProblem(entry, because),
      storage,
    });
    if (this.outbox.count) status.show(`${this.outbox.count} verdicts of yours were not saved yet; they are sent now.`);
  }

  update({ ticket, author }) {
    this.author = author;
    this.outbox.setTicket(ticket);
  }

  decide(items, decision) {
    this.before = new Map([...(this.before ?? []), ...this.rows.decisionsOf(items)]);
    this.onChange(this.rows.setDecision(items, decision));
    this.decided.push(items);
    this.said = `${describe(items)}: ${decision}`;
    this.outbox.add(items, decision);
  }

  /** @returns the item whose verdict is taken back; undefined without any. */
  undo() {
    const items = this.decided.pop();
    if (!items) {
      this.status.show("There is nothing of yours here to take back.");
      return undefined;
    }
    this.said = `${describe(items)}: taken back`;
    this.outbox.add(items, null);
    return items[0];
  }

  /** What the server says of items; what is still on its way is newer. */
  learn(items) {
    const settled = Object.entries(items).filter(([item]) => !this.outbox.isWaiting(item));
    this.onChange(this.rows.learn(Object.fromEntries(settled)));
  }

  confirm(items) {
    this.learn(items);
    if (!this.outbox.count && this.said) this.status.show(this.said);
  }

  showProblem(entry, because) {
    for (const item of entry?.items ?? []) {
      if (this.before?.has(item) && !this.outbox.isWaiting(item)) {
        this.onChange(this.rows.setDecision([item], this.before.get(item)));
      }
    }
    if (entry?.decision === null) this.decided.push(entry.items); // it can be tried again
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
