import { makeOptions, setVisible } from "../shared/dom.js";
import { formatNumber } from "../shared/numbers.js";
import { dropdown, input, labelled, shortcutButton, toolbar } from "../shared/toolbar.js";
import { dragged, fromCentre, presetNames, presetWindow, toCentre } from "./window-level.js";

const NO_WINDOW = { low: 0, high: 1, inverted: false };

/** Window and level: typed, by preset, or dragged. It stays from slice to slice of one unit. */
export class WindowBar {
  constructor(onChange) {
    this.onChange = onChange;
    this.unit = undefined;
    this.current = null; // {low, high, inverted}
    this.centre = input("number", "Window centre", { step: "any", onchange: () => this.useTyped() });
    this.width = input("number", "Window width", { step: "any", onchange: () => this.useTyped() });
    this.preset = dropdown("Window preset", [], (name) => this.usePreset(name));
    this.inverted = shortcutButton("I", "Invert", "Invert", () => this.invert(), { "aria-pressed": "false" });
    this.element = toolbar(
      "Window and level",
      labelled("Centre", this.centre),
      labelled("Width", this.width),
      labelled("Preset", this.preset),
      this.inverted,
    );
  }

  /** @param facts - of an image whose values have a window. */
  open(facts) {
    const [low, high] = facts.window;
    this.ofFile = { low, high, inverted: facts.inverted };
    if (!this.current || this.unit !== facts.unit) this.use(this.ofFile);
    this.unit = facts.unit;
    this.preset.replaceChildren(...makeOptions(presetNames(this.unit).map((name) => [name, name])));
  }

  get look() {
    return this.current ?? NO_WINDOW;
  }

  setVisible(isVisible) {
    setVisible(this.element, isVisible);
  }

  use(window) {
    this.current = { ...this.current, ...window };
    const { centre, width } = toCentre(this.current);
    this.centre.value = formatNumber(centre, 5);
    this.width.value = formatNumber(width, 5);
    this.inverted.setAttribute("aria-pressed", String(this.current.inverted));
    this.onChange();
  }

  useTyped() {
    this.use(fromCentre(Number(this.centre.value), Number(this.width.value)));
  }

  usePreset(name) {
    this.use(presetWindow(this.unit, name) ?? this.ofFile);
  }

  drag(delta) {
    if (this.current) this.use(dragged(this.current, delta));
  }

  invert() {
    if (this.current) this.use({ inverted: !this.current.inverted });
  }
}
