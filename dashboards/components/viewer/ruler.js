// The ruler: a line between two image points, and its length.

/** In mm where the spacing of the pixels [down, across] is known, else in pixels. */
export function rulerLength({ from, to }, { spacing_mm: spacing, meta }) {
  const [down, across] = spacing ?? [1, 1];
  const length = Math.hypot((to[0] - from[0]) * across, (to[1] - from[1]) * down);
  if (!spacing) return `${length.toFixed(0)} px`;
  // In a projection, what lies nearer to the source than to the detector is smaller than its shadow.
  return `${length.toFixed(1)} mm${meta.spacing === "detector" ? " at the detector" : ""}`;
}
