import { make } from "../shared/dom.js";
import { postJson, requestJson, routeUrl } from "../shared/requests.js";
import { input, shortcutButton, toolbar } from "../shared/toolbar.js";

/** The verdict on an item, and the steps to its neighbours in the queue. */
export class VerdictBar {
  /** @param currentItem - tells which item is shown. */
  constructor(run, status, currentItem) {
    Object.assign(this, { run, status, currentItem });
    this.standing = make("span", { class: "standing" });
    this.note = input("text", "Note to the verdict", {
      class: "note",
      placeholder: "Note (optional)",
      maxlength: 5000,
    });
    this.element = toolbar(
      "Verdict",
      this.standing,
      shortcutButton("O", "Odd", "Verdict: odd", () => this.decide("odd")),
      shortcutButton("N", "Normal", "Verdict: normal", () => this.decide("normal")),
      shortcutButton("U", "Unsure", "Verdict: unsure", () => this.decide("unsure")),
      shortcutButton("Z", "Undo", "Take back the last verdict", () => this.undo()),
      this.note,
      shortcutButton("K", "Previous", "Previous in the queue", () => this.step(-1)),
      shortcutButton("J", "Next", "Next in the queue", () => this.step(1)),
    );
  }

  /** @param trigger - tells Python: "decided" with an item whose verdict changed, "go" with one to open. */
  update({ decision, ticket, queue }, trigger) {
    Object.assign(this, { ticket, queue, trigger });
    this.standing.textContent = decision ?? "no verdict";
  }

  async decide(decision) {
    const item = this.currentItem();
    try {
      const content = { items: [item], decision, note: this.note.value };
      await postJson(routeUrl(this.run, "decide"), this.ticket, content);
      this.note.value = "";
      this.status.show(`${item}: ${decision}`);
      this.trigger("decided", { item });
    } catch (error) {
      this.status.showError(`Not saved: ${error.message}`);
    }
  }

  async undo() {
    const item = this.currentItem();
    try {
      await postJson(routeUrl(this.run, "undo"), this.ticket, { items: [item] });
      this.status.show(`${item}: taken back`);
      this.trigger("decided", { item });
    } catch (error) {
      this.status.showError(`Not taken back: ${error.message}`);
    }
  }

  async step(by) {
    try {
      const { place } = await requestJson(routeUrl(this.run, "place", { ...this.queue, of: this.currentItem() }));
      const offset = (place ?? -1) + by;
      if (offset < 0) return this.status.show("This is the first of the queue.");
      const { rows } = await requestJson(routeUrl(this.run, "rows", { ...this.queue, offset, limit: 1 }));
      if (!rows.length) return this.status.show("This was the last of the queue.");
      return this.trigger("go", { item: rows[0].item });
    } catch (error) {
      return this.status.showError(error.message);
    }
  }
}
