import { make, setVisible } from "../shared/dom.js";

/** A canvas with what lies over it: title, patient directions, messages, and the mark of a synthetic picture. */
export class Pane {
  constructor(title) {
    this.canvas = make("canvas", { role: "img", "aria-label": title });
    this.title = make("span", { class: "title", text: title });
    this.message = make("div", { class: "message", text: "opening …" });
    this.mark = make("div", { class: "mark", role: "note" });
    this.preview = make("div", { class: "preview" });
    const sides = ["top", "bottom", "left", "right"];
    this.letters = Object.fromEntries(sides.map((side) => [side, make("span", { class: `letter ${side}` })]));
    const overlays = [this.title, ...Object.values(this.letters), this.message, this.mark];
    this.element = make("div", { class: "pane" }, this.canvas, this.preview, ...overlays);
  }

  setTitle(text) {
    this.title.textContent = text;
    this.canvas.setAttribute("aria-label", text);
  }

  setLetters(letters) {
    for (const [side, letter] of Object.entries(letters)) this.letters[side].textContent = letter;
  }

  /** Covers what was drawn of another item, with a thumbnail where there is one (else null). */
  showPreview(url) {
    this.preview.replaceChildren(...(url ? [make("img", { src: url, alt: "" })] : []));
    setVisible(this.preview, true);
    this.message.classList.remove("error");
    this.message.textContent = "opening \u2026";
    setVisible(this.message, true);
  }

  hidePreview() {
    setVisible(this.preview, false);
  }

  hideMessage() {
    setVisible(this.message, false);
  }

  showError(text) {
    setVisible(this.message, true);
    this.message.textContent = text;
    this.message.classList.add("error");
  }

  /** Says that the pane shows a synthetic picture, and who made it; null takes the mark away. */
  setMark(synthetic, isBehindCurtain) {
    this.element.classList.toggle("synthetic", Boolean(synthetic));
    this.mark.classList.toggle("behind", isBehindCurtain);
    const lines = synthetic ? [make("strong", { text: synthetic.mark }), make("span", { text: synthetic.maker })] : [];
    this.mark.replaceChildren(...lines);
  }

  /** In CSS pixels. */
  size() {
    const { width, height } = this.element.getBoundingClientRect();
    return { width, height };
  }

  /** The pointer's place, from the pane's upper left corner. */
  pointOf(event) {
    const { left, top } = this.element.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  /** A drawing context with `ratio` device pixels per CSS pixel. */
  context({ width, height, ratio }) {
    const [columns, rows] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== columns) this.canvas.width = columns;
    if (this.canvas.height !== rows) this.canvas.height = rows;
    return this.canvas.getContext("2d");
  }
}
