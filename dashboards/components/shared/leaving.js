const AT_MOST = 30_000; // milliseconds

let leaving = null; // where a click leads: {path, at}

document.addEventListener(
  "click",
  (event) => {
    const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement && node.href);
    if (!link || link.target === "_blank" || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const { origin, pathname } = new URL(link.href);
    if (origin === location.origin && pathname !== location.pathname)
      leaving = { path: pathname, at: performance.now() };
  },
  true,
);

/**
 * A trigger that keeps still between a click on a link to another page and the arrival there. Streamlit runs the page that is
 * on the screen for every trigger, so that one sent meanwhile would bring the visitor back.
 */
export function whileHere(trigger) {
  const path = location.pathname;
  return (name, value) => {
    const isLeaving = leaving && leaving.path !== path && performance.now() - leaving.at < AT_MOST;
    if (!isLeaving) trigger(name, value);
  };
}
