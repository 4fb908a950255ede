import { make } from "./dom.js";

const COOKIE = "oddpixel-name"; // Python reads it when a page is opened
const A_YEAR = 365 * 24 * 3600; // seconds
const LONGEST = 80; // characters
const REST = 500; // milliseconds without a key

/** Who decides: signed on, or the name that the visitor gave, which is asked for at the first verdict and then kept. */
export class Author {
  /** @param onNamed - called with the name that was given. */
  constructor(onNamed) {
    this.onNamed = onNamed;
    this.field = make("input", { name: "name", required: true, maxlength: LONGEST, autocomplete: "name" });
    const say = make("button", { type: "submit", value: "said", text: "Save the verdict" });
    const cancel = make("button", { type: "button", text: "Cancel", onclick: () => this.dialog.close("") });
    this.dialog = make(
      "dialog",
      { class: "help", "aria-label": "Your name" },
      make(
        "form",
        { method: "dialog" },
        make("h2", { text: "Who are you?" }),
        make("p", { text: "Verdicts are logged under a name. It is asked for once." }),
        make("label", {}, "Your name ", this.field),
        make("div", { class: "bar end" }, cancel, say),
      ),
    );
    this.dialog.addEventListener("keydown", (event) => this.pressWhileResting(event));
  }

  /** What Python knows: the name, and whether somebody gave it. */
  update({ author, named }) {
    if (this.isNamed && !named) return; // it was given here, and Python is about to learn it
    Object.assign(this, { name: author, isNamed: named });
    if (named) keep(author);
  }

  get isAsking() {
    return this.dialog.open;
  }

  /** Resolves to whether there is a name to decide under; asks for it where there is none. */
  async known() {
    if (this.isNamed) return true;
    this.asking ??= this.ask().finally(() => {
      this.asking = null;
    });
    return this.asking;
  }

  ask() {
    this.dialog.returnValue = "";
    this.dialog.showModal();
    this.rest();
    return new Promise((resolve) => {
      this.dialog.addEventListener("close", () => resolve(this.take()), { once: true });
    });
  }

  /** Keys that were meant for pictures are not a name: the field takes none until no key has come for a moment. */
  rest() {
    clearTimeout(this.resting);
    this.field.readOnly = true;
    this.resting = setTimeout(() => {
      this.field.readOnly = false;
    }, REST);
  }

  pressWhileResting(event) {
    if (!this.field.readOnly || event.key === "Escape") return;
    event.preventDefault();
    this.rest();
  }

  take() {
    const name = this.field.value.trim();
    if (this.dialog.returnValue !== "said" || !name) return false;
    Object.assign(this, { name, isNamed: true });
    keep(name);
    this.onNamed(name);
    return true;
  }
}

function keep(name) {
  // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is not in every browser
  document.cookie = `${COOKIE}=${encodeURIComponent(name)}; path=/; max-age=${A_YEAR}; samesite=lax`;
}
