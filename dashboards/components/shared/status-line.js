import { make } from "./dom.js";

/** One line that screen readers announce: what just happened, or what went wrong. */
export class StatusLine {
  constructor(tag = "div") {
    this.element = make(tag, { class: "status", role: "status", "aria-live": "polite" });
  }

  show(text) {
    this.set(text, false);
  }

  showError(text) {
    this.set(text, true);
  }

  set(text, isError) {
    this.element.textContent = text;
    this.element.classList.toggle("error", isError);
  }
}
