// A lasso: which points lie within a closed line, and how a line is drawn by keys.

/** The indices of the points [x, y] within, by the even-odd rule. */
export function pointsWithin(points, line) {
  return points.flatMap((point, index) => (isWithin(line, point) ? [index] : []));
}

function isWithin(line, [x, y]) {
  let isInside = false;
  for (const [k, [u, v]] of line.entries()) {
    const [s, t] = line[(k + 1) % line.length];
    if (v > y !== t > y && x < ((s - u) * (y - v)) / (t - v) + u) isInside = !isInside;
  }
  return isInside;
}

/** Where an arrow key moves the cursor, within 0..1; undefined for other keys. */
export function cursorAfterKey([x, y], { key, shiftKey }) {
  const step = shiftKey ? 0.1 : 0.02;
  const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[key];
  return by && [Math.min(Math.max(x + by[0], 0), 1), Math.min(Math.max(y + by[1], 0), 1)];
}
