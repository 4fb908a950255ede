// The ruler: a line between two image points, and its length.

/** In mm where the spacing of the pixels [down, across] is known, else in pixels. */
export function rulerLength({ from, to }, { spacing_mm: spacing, meta }) {
  const [down, across] = spacing ?? [1, 1];
  const length = Math.hypot((to[0] - from[0]) * across, (to[1] - from[1]) * down);
  if (!spacing) return `${length.toFixed(0)} px`;
  // In a projection, what lies nearer to the source than to the detector is smaller than its shadow.
  return `${length.toFixed(1)} mm${meta.spacing === "detector" ? " at the detector" : ""}`;
}

const LENGTH = 100; // pixels on the screen, of a ruler that a key puts down
const STEP = 5; // pixels on the screen

/**
 * The ruler after a key: Enter puts one in the middle of what is seen, arrows move its end, with Shift its beginning, Escape
 * takes it away (null). Undefined for other keys.
 */
export function rulerAfterKey(ruler, event, { x, y, scale }) {
  const { key, shiftKey } = event;
  if (key === "Escape" && ruler) return null;
  if (key === "Enter" && event.composedPath?.()[0]?.tagName !== "BUTTON") {
    return { from: [x - LENGTH / 2 / scale, y], to: [x + LENGTH / 2 / scale, y] };
  }
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  if (!ruler || !step) return undefined;
  const end = shiftKey ? "from" : "to";
  const [u, v] = ruler[end];
  return { ...ruler, [end]: [u + (step[0] * STEP) / scale, v + (step[1] * STEP) / scale] };
}
