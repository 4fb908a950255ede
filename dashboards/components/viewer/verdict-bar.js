import { Author } from "../shared/author.js";
import { make } from "../shared/dom.js";
import { otherOpinions } from "../shared/opinions.js";
import { Outbox } from "../shared/outbox.js";
import { Permission } from "../shared/permission.js";
import { Tagger } from "../shared/tags.js";
import { input, shortcutButton, toolbar } from "../shared/toolbar.js";

/** The verdict on the item that is shown. It shows at once, and is on its way until the server has confirmed it. */
export class VerdictBar {
  /**
   * @param currentItem - tells which item is shown.
   * @param step - opens the neighbour so many places behind in the queue.
   */
  constructor(run, status, { currentItem, step, press }) {
    Object.assign(this, { status, currentItem });
    this.known = new Map(); // item -> {decision, opinions}
    this.drafts = new Map(); // item -> a note that was begun
    this.refused = new Set(); // items about which something could not be done just now
    this.author = new Author((name) => this.trigger("named", { name }));
    this.outbox = new Outbox(run, {
      author: () => this.author.name,
      onConfirmed: (items) => this.confirm(items),
      onProblem: (entry, because) => this.showProblem(entry, because),
    });
    this.name = make("bdi", { class: "item-name", dir: "ltr" });
    this.standing = make("span", { class: "standing" });
    this.note = input("text", "Note to the verdict", {
      class: "note",
      placeholder: "Note (optional)",
      maxlength: 5000,
    });
    this.permission = new Permission(status);
    const { author, permission } = this;
    this.tagger = new Tagger(run, { author, permission, status, ticket: () => this.outbox.tickets.get(author.name) });
    this.tags = make("span", { class: "tags", role: "note" });
    const ofReaders = [
      shortcutButton("O", "Odd", "Verdict: odd", () => press(() => this.decide("odd"))),
      shortcutButton("N", "Normal", "Verdict: normal", () => press(() => this.decide("normal"))),
      shortcutButton("U", "Unsure", "Verdict: unsure", () => press(() => this.decide("unsure"))),
      shortcutButton("Z", "Undo", "Undo: take back your last verdict on it", () => press(() => this.undo())),
      this.note,
      shortcutButton("T", "Tag", "Tag this item", () => press(() => this.tag())),
    ];
    this.element = toolbar(
      "Verdict",
      this.standing,
      ...ofReaders.map((control) => this.permission.guard(control)),
      shortcutButton("K", "Previous", "Previous in the queue", () => press(() => step(-1))),
      shortcutButton("J", "Next", "Next in the queue", () => press(() => step(1))),
      this.permission.element,
    );
    this.element.classList.add("verdicts");
  }

  /** @param trigger - tells Python: "decided" with an item whose verdict was confirmed. */
  update({ item, decision, opinions, ticket, refusal, author, named }, trigger) {
    this.trigger = trigger;
    this.permission.update(refusal);
    this.author.update({ author, named });
    this.learn({ [item]: { decision, opinions } });
    this.outbox.setTicket(author, ticket);
  }

  /** What the server says of items; what is still on its way is newer. */
  learn(items) {
    for (const [item, said] of Object.entries(items)) if (!this.outbox.isWaiting(item)) this.known.set(item, said);
    this.show();
  }

  /** What a row said when the queue was read: only where nothing newer is known. */
  learnFirst(item, said) {
    if (!this.known.has(item)) this.known.set(item, said);
    this.show();
  }

  /** The note that was begun stays with its item. */
  leave(item) {
    if (this.note.value) this.drafts.set(item, this.note.value);
    this.note.value = "";
  }

  arrive(item) {
    this.note.value = this.drafts.get(item) ?? "";
    this.drafts.delete(item);
    this.show();
  }

  show() {
    const { decision, opinions } = this.known.get(this.currentItem()) ?? {};
    this.name.textContent = this.currentItem();
    const others = otherOpinions(decision, opinions);
    this.standing.textContent = [decision ?? "no verdict", ...others].join(" \u00b7 ");
    this.standing.classList.toggle("conflict", Boolean(decision) && others.length > 0);
  }

  async decide(decision) {
    const item = this.currentItem();
    if (!this.permission.isGiven()) return;
    if (!(await this.author.known())) {
      this.status.show("Nothing was decided: verdicts need a name.");
      return;
    }
    const { opinions } = this.known.get(item) ?? {};
    this.known.set(item, { decision, opinions: { ...opinions, [this.author.name]: decision } });
    this.outbox.add([item], decision, { note: this.note.value });
    this.note.value = "";
    this.status.show(`${item}: ${decision}`);
    this.show();
  }

  async tag() {
    const item = this.currentItem();
    const said = await this.tagger.ask([item]);
    if (said && item === this.currentItem()) this.showTags(said.items[item]);
  }

  showTags(tags) {
    this.tags.textContent = tags.join(" \u00b7 ");
    this.tags.setAttribute("aria-label", tags.length ? `Tags: ${tags.join(", ")}` : "No tags");
  }

  undo() {
    if (this.permission.isGiven()) this.outbox.add([this.currentItem()], null);
  }

  confirm(items) {
    const before = new Map(this.known);
    this.learn(items ?? {});
    for (const [item, { decision }] of Object.entries(items ?? {})) {
      const isNews = before.get(item)?.decision !== decision && !this.refused.delete(item);
      if (isNews) this.status.show(`${item}: ${decision ?? "taken back"}`);
      if (item === this.currentItem()) this.trigger("decided", { item });
    }
  }

  showProblem(entry, because) {
    for (const item of entry?.items ?? []) {
      this.refused.add(item);
      if (entry.note && item === this.currentItem() && !this.note.value) this.note.value = entry.note;
    }
    const what = entry ? `${entry.decision === null && !entry.region ? "Not taken back" : "Not saved"}: ` : "";
    this.status.showError(what + because);
  }
}
