// Contours of a heat map at a threshold: marching squares on values between the map's cells (Maple 2003), as closed rings.
import { evidenceAt } from "./heat-map.js";

const SAMPLES_PER_CELL = 4;
const MOST_SAMPLES = 256; // along a side
const TICK_EVERY = 14; // pixels along a contour
const TICK_LENGTH = 6;

/**
 * Rings around what exceeds the threshold, with points [u, v] in 0..1 and the odd side on the right hand. What lies normal inside
 * an odd region is not ringed: a ring means that its inside is odd. They close along the edge of the image.
 */
export function contoursOf(heatMap, threshold) {
  const grid = sample(heatMap, threshold);
  const next = new Map(); // edge of a cell -> the edge to which the contour goes from there
  for (let row = 0; row < grid.rows - 1; row++) {
    for (let column = 0; column < grid.columns - 1; column++) linkCell(grid, row, column, threshold, next);
  }
  return ringsOf(next)
    .map((edges) => edges.map((edge) => crossing(grid, edge, threshold)))
    .filter((ring) => signedArea(ring) > 0);
}

/** Strokes rings, with ticks that point to the odd side. */
export function strokeContours(context, rings, { left, top, width, height }) {
  context.lineJoin = "round";
  const lines = new Path2D();
  for (const ring of rings) {
    const points = ring.map(([u, v]) => [left + u * width, top + v * height]);
    traceRing(lines, points);
    traceTicks(lines, points);
  }
  for (const [colour, lineWidth] of [
    ["rgb(0 0 0 / 0.75)", 3.5],
    ["#fff", 1.5],
  ]) {
    context.strokeStyle = colour;
    context.lineWidth = lineWidth;
    context.stroke(lines);
  }
}

/** Values at regular places from edge to edge, within a frame that never exceeds the threshold. */
function sample(heatMap, threshold) {
  const across = Math.min(SAMPLES_PER_CELL * heatMap.columns, MOST_SAMPLES);
  const down = Math.min(SAMPLES_PER_CELL * heatMap.rows, MOST_SAMPLES);
  const [columns, rows] = [across + 3, down + 3];
  const values = new Float32Array(rows * columns).fill(threshold - 1);
  const place = (k, count) => Math.min(Math.max((k - 1) / count, 0), 1);
  for (let row = 1; row < rows - 1; row++) {
    for (let column = 1; column < columns - 1; column++) {
      values[row * columns + column] = evidenceAt(heatMap, place(column, across), place(row, down));
    }
  }
  return { rows, columns, values, u: (column) => place(column, across), v: (row) => place(row, down) };
}

/** Where the contour goes through a cell: from edges that lead out of what exceeds, clockwise, to edges that lead in. */
function linkCell({ columns, values }, row, column, threshold, next) {
  const at = row * columns + column;
  const corners = [values[at], values[at + 1], values[at + columns + 1], values[at + columns]];
  const isIn = corners.map((value) => value > threshold);
  const edges = [2 * at, 2 * (at + 1) + 1, 2 * (at + columns), 2 * at + 1]; // even: to the right of a place, odd: below it
  const leads = (k) => isIn[k] !== isIn[(k + 1) % 4];
  const isCentreIn = corners.reduce((sum, value) => sum + value, 0) / 4 > threshold;
  for (let k = 0; k < 4; k++) {
    if (!isIn[k] || !leads(k)) continue;
    const turn = isCentreIn ? 1 : 3;
    let other = (k + turn) % 4;
    while (!leads(other)) other = (other + turn) % 4;
    next.set(edges[k], edges[other]);
  }
}

function ringsOf(next) {
  const rings = [];
  while (next.size) {
    const [start] = next.keys();
    const ring = [];
    for (let edge = start; next.has(edge); ) {
      ring.push(edge);
      const to = next.get(edge);
      next.delete(edge);
      edge = to;
    }
    rings.push(ring);
  }
  return rings;
}

/** The point of an edge where the value is the threshold. */
function crossing({ columns, values, u, v }, edge, threshold) {
  const at = edge >> 1;
  const [row, column] = [Math.floor(at / columns), at % columns];
  const other = edge % 2 ? at + columns : at + 1;
  const weight = (threshold - values[at]) / (values[other] - values[at]);
  if (edge % 2) return [u(column), v(row) + weight * (v(row + 1) - v(row))];
  return [u(column) + weight * (u(column + 1) - u(column)), v(row)];
}

/** Positive for a ring whose inside is on its right hand. */
function signedArea(ring) {
  return ring.reduce((sum, [x, y], k) => {
    const [nextX, nextY] = ring[(k + 1) % ring.length];
    return sum + x * nextY - nextX * y;
  }, 0);
}

function traceRing(path, points) {
  path.moveTo(...points[0]);
  for (const point of points.slice(1)) path.lineTo(...point);
  path.closePath();
}

function traceTicks(path, points) {
  let left = TICK_EVERY / 2; // pixels until the next tick
  for (const [k, [x, y]] of points.entries()) {
    const [toX, toY] = points[(k + 1) % points.length];
    const length = Math.hypot(toX - x, toY - y);
    if (length === 0) continue;
    const [dx, dy] = [(toX - x) / length, (toY - y) / length];
    for (; left <= length; left += TICK_EVERY) {
      const [fromX, fromY] = [x + left * dx, y + left * dy];
      path.moveTo(fromX, fromY);
      path.lineTo(fromX - dy * TICK_LENGTH, fromY + dx * TICK_LENGTH);
    }
    left -= length;
  }
}
