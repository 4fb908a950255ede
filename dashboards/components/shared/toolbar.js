// Toolbars, and the controls that stand in them.
import { make, makeOptions } from "./dom.js";

export function toolbar(label, ...children) {
  return make("div", { class: "bar", role: "toolbar", "aria-label": label }, ...children);
}

/**
 * A button that shows its keyboard shortcut, by its style: what a screen reader says must hold the text that is seen, for who
 * speaks to the page.
 */
export function shortcutButton(key, text, label, onclick, attributes = {}) {
  return make("button", { "aria-label": label, "data-key": key, onclick, text, ...attributes });
}

export function labelled(text, ...controls) {
  return make("label", {}, text, ...controls);
}

/** @param options - pairs of value and text. */
export function dropdown(label, options, onchange) {
  const select = make(
    "select",
    { "aria-label": label, onchange: () => onchange(select.value) },
    ...makeOptions(options),
  );
  return select;
}

/** A text, number or range input; `oninput` and `onchange` are called with its value. */
export function input(type, label, { oninput, onchange, ...attributes } = {}) {
  const element = make("input", { type, "aria-label": label, ...attributes });
  if (oninput) element.addEventListener("input", () => oninput(element.value));
  if (onchange) element.addEventListener("change", () => onchange(element.value));
  return element;
}

/** Marks the button whose data attribute `name` has that value as pressed. */
export function pressOnly(buttons, name, value) {
  for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset[name] === value));
}
