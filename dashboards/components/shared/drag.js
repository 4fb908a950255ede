/** Calls `onMove` with every move of the pointer that went down with `event`, until it goes up; `onEnd` then. */
export function followPointer(element, event, onMove, onEnd = () => {}) {
  const listeners = new AbortController();
  const { signal } = listeners;
  const end = () => {
    listeners.abort();
    onEnd();
  };
  element.setPointerCapture(event.pointerId);
  element.addEventListener("pointermove", onMove, { signal });
  element.addEventListener("pointerup", end, { signal });
  element.addEventListener("pointercancel", end, { signal });
}
