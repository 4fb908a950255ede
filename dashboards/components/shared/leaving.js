const AT_MOST = 30_000; // milliseconds

let leaving = null; // where a click leads: {path, at}
let popped = null; // where the browser's history led, until something is done there: {path, at}
let isListening = false;

/** Whether the address is one of these pages, by the last part of its path. */
export function isOn(pages) {
  return pages.includes(location.pathname.split("/").pop());
}

/**
 * A trigger that keeps still once the visitor is on the way to another page, by a link or the browser's history. Streamlit runs
 * the page that is on the screen for every trigger, so that one sent meanwhile would bring the visitor back.
 * @param pages - on which the component is, by the last part of the path; where not given, the page that is on the screen now.
 */
export function whileHere(trigger, pages = [location.pathname.split("/").pop()]) {
  if (!isListening) listen();
  isListening = true;
  const path = location.pathname;
  return (name, value) => {
    const isLeaving = leaving && leaving.path !== path && performance.now() - leaving.at < AT_MOST;
    if (!isLeaving && isOn(pages)) trigger(name, value);
  };
}

function listen() {
  document.addEventListener("click", noteLeaving, true);
  window.addEventListener("popstate", () => {
    popped = { path: location.pathname, at: performance.now() };
  });
  for (const act of ["pointerdown", "keydown"]) {
    document.addEventListener(
      act,
      () => {
        popped = null;
      },
      true,
    );
  }
  holdStalePages();
}

/**
 * Who goes back and forward within a second has Streamlit run both pages, and it notes the first in the history when it comes,
 * which would take the way forward away.
 */
function holdStalePages() {
  const push = history.pushState.bind(history);
  history.pushState = (state, title, url) => {
    const { pathname } = new URL(url ?? location.href, location.href);
    const isStale = popped && pathname !== popped.path && performance.now() - popped.at < AT_MOST;
    if (!isStale) push(state, title, url);
  };
}

function noteLeaving(event) {
  const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement && node.href);
  if (!link || link.target === "_blank" || link.hasAttribute("download") || event.button) return;
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const { origin, pathname } = new URL(link.href);
  if (origin === location.origin && pathname !== location.pathname) leaving = { path: pathname, at: performance.now() };
}
