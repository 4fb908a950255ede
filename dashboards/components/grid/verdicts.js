import { postJson, routeUrl } from "../shared/requests.js";
import { TaskQueue } from "../shared/task-queue.js";

/** Verdicts show at once and are sent in order: whoever types fast decides on what was under the cursor. */
export class Verdicts {
  /**
   * @param rows - RowPages.
   * @param onChange - called with the indices of rows whose verdict changed.
   */
  constructor(run, { rows, status, onChange }) {
    Object.assign(this, { run, rows, status, onChange });
    this.decided = []; // lists of items, to take back
    this.queue = new TaskQueue();
  }

  decide(items, decision) {
    const before = this.rows.decisionsOf(items);
    this.note(items, decision);
    this.decided.push(items);
    return this.queue.add(() => this.sendDecision(items, decision, before));
  }

  async sendDecision(items, decision, before) {
    try {
      await this.post("decide", { items, decision });
      this.status.show(`${describe(items)}: ${decision}`);
    } catch (error) {
      for (const [item, previous] of before) this.note([item], previous);
      this.decided = this.decided.filter((each) => each !== items);
      this.status.showError(`Not saved: ${error.message}`);
    }
  }

  /** @param goTo - called with an item whose verdict was taken back. */
  undo(goTo) {
    const items = this.decided.pop();
    if (!items) return this.status.show("There is nothing of yours here to take back.");
    return this.queue.add(() => this.sendUndo(items, goTo));
  }

  async sendUndo(items, goTo) {
    try {
      const { undone } = await this.post("undo", { items });
      for (const [item, decision] of Object.entries(undone)) {
        this.note([item], decision === "undecided" ? null : decision);
      }
      this.status.show(`${describe(items)}: taken back`);
      goTo(items[0]);
    } catch (error) {
      this.decided.push(items);
      this.status.showError(`Not taken back: ${error.message}`);
    }
  }

  /** Once everything that was decided has been sent. */
  settled() {
    return this.queue.last;
  }

  note(items, decision) {
    this.onChange(this.rows.setDecision(items, decision));
  }

  post(route, content) {
    return postJson(routeUrl(this.run, route), this.ticket, content);
  }
}

function describe(items) {
  return items.length === 1 ? items[0] : `${items.length} items`;
}
