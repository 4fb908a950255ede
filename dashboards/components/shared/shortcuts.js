// Keyboard shortcuts: one list of {key, action, meaning} serves the key handler and the help.
import { make } from "./dom.js";

const TEXT_FIELDS = new Set(["INPUT", "TEXTAREA", "SELECT"]);

export function isTyping(event) {
  const target = event.composedPath()[0];
  return Boolean(target?.isContentEditable) || TEXT_FIELDS.has(target?.tagName);
}

/** The shortcut of a key press, "Ctrl+" before its key where that (or Command) is held; undefined in a text field. */
export function shortcutOf(event, shortcuts) {
  const isCommand = event.ctrlKey || event.metaKey;
  if (isTyping(event) || event.altKey || (isCommand && event.shiftKey)) return undefined;
  const pressed = (isCommand ? "Ctrl+" : "") + event.key;
  return shortcuts.find(({ key }) => key.toLowerCase() === pressed.toLowerCase());
}

/**
 * Runs shortcuts wherever the focus is on the page.
 * @param isBlocked - tells whether a key press is somebody else's.
 * @param run - runs the action of a shortcut.
 * @returns a function that stops it.
 */
export function listenForShortcuts(shortcuts, { isBlocked, run = (action) => action() }) {
  const onKeyDown = (event) => {
    const shortcut = isBlocked(event) ? undefined : shortcutOf(event, shortcuts);
    if (!shortcut) return;
    event.preventDefault();
    if (event.repeat && shortcut.isOnce) return; // a key that is held down decides once
    run(shortcut.action);
  };
  document.addEventListener("keydown", onKeyDown);
  return () => document.removeEventListener("keydown", onKeyDown);
}

/** @param rows - {key, meaning} of shortcuts and of gestures. */
export function helpDialog(title, rows) {
  const lines = rows.map(({ key, meaning }) =>
    make("tr", {}, make("th", { text: key }), make("td", { text: meaning })),
  );
  const close = make("form", { method: "dialog" }, make("button", { text: "Close" }));
  const heading = make("h2", { text: title });
  return make("dialog", { class: "help", "aria-label": title }, heading, make("table", {}, ...lines), close);
}
