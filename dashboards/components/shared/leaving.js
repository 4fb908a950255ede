const AT_MOST = 30_000; // milliseconds

let leaving = null; // where a click leads: {path, at}
let isListening = false;

/**
 * A trigger that keeps still between a click on a link to another page and the arrival there. Streamlit runs the page that is
 * on the screen for every trigger, so that one sent meanwhile would bring the visitor back.
 */
export function whileHere(trigger) {
  if (!isListening) document.addEventListener("click", noteLeaving, true);
  isListening = true;
  const path = location.pathname;
  return (name, value) => {
    const isLeaving = leaving && leaving.path !== path && performance.now() - leaving.at < AT_MOST;
    if (!isLeaving) trigger(name, value);
  };
}

function noteLeaving(event) {
  const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement && node.href);
  if (!link || link.target === "_blank" || link.hasAttribute("download") || event.button) return;
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const { origin, pathname } = new URL(link.href);
  if (origin === location.origin && pathname !== location.pathname) leaving = { path: pathname, at: performance.now() };
}
