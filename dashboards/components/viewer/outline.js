// Outlines: closed rings of points [x, y] in image pixels, and what can be done with them.
import { clamp } from "../shared/numbers.js";

export function rectangleOf([x, y], [u, v]) {
  const [left, right] = [Math.min(x, u), Math.max(x, u)];
  const [top, bottom] = [Math.min(y, v), Math.max(y, v)];
  return [
    [left, top],
    [right, top],
    [right, bottom],
    [left, bottom],
  ];
}

export function boundsOf(points) {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  return { left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) };
}

export function inside([x, y], { width, height }) {
  return [clamp(x, 0, width), clamp(y, 0, height)];
}

/** Moved by [dx, dy], as far as the image goes. */
export function moved(points, [dx, dy], { width, height }) {
  const { left, right, top, bottom } = boundsOf(points);
  const [across, down] = [clamp(dx, -left, width - right), clamp(dy, -top, height - bottom)];
  return points.map(([x, y]) => [x + across, y + down]);
}

/** With its right and lower side moved by [dx, dy], at least `least` away from the others. */
export function resized(points, [dx, dy], image, least = 1) {
  const { left, right, top, bottom } = boundsOf(points);
  const scaleOf = (from, to, by, end) => (clamp(to + by, from + least, end) - from) / Math.max(to - from, 1e-6);
  const [across, down] = [scaleOf(left, right, dx, image.width), scaleOf(top, bottom, dy, image.height)];
  return points.map(([x, y]) => [left + (x - left) * across, top + (y - top) * down]);
}

/** With one point elsewhere; a rectangle stays one. */
export function corrected({ kind, points }, index, to) {
  if (kind === "rectangle") return rectangleOf(points[(index + 2) % 4], to);
  return points.map((point, k) => (k === index ? to : point));
}

export function areaOf(points) {
  const doubled = points.reduce((sum, [x, y], k) => {
    const [u, v] = points[(k + 1) % points.length];
    return sum + x * v - u * y;
  }, 0);
  return Math.abs(doubled) / 2;
}

/** Whether a point lies within, by the even-odd rule. */
export function contains(points, [x, y]) {
  let isInside = false;
  for (const [k, [u, v]] of points.entries()) {
    const [s, t] = points[(k + 1) % points.length];
    if (v > y !== t > y && x < ((s - u) * (y - v)) / (t - v) + u) isInside = !isInside;
  }
  return isInside;
}

/** The index of the point that lies nearest, within `reach`; -1 without one. */
export function pointNear(points, [x, y], reach) {
  const distances = points.map(([u, v]) => Math.hypot(u - x, v - y));
  const index = distances.indexOf(Math.min(...distances));
  return distances[index] <= reach ? index : -1;
}

/** Fewer points, none of those left out farther than `tolerance` from the line (Douglas and Peucker 1973). */
export function simplified(points, tolerance) {
  const kept = new Set([0, points.length - 1]);
  const open = [[0, points.length - 1]];
  while (open.length) {
    const [first, last] = open.pop();
    const { index, distance } = farthest(points, first, last);
    if (distance <= tolerance) continue;
    kept.add(index);
    open.push([first, index], [index, last]);
  }
  return points.filter((_, k) => kept.has(k));
}

function farthest(points, first, last) {
  const found = { index: first, distance: 0 };
  for (let index = first + 1; index < last; index++) {
    const distance = distanceToLine(points[index], points[first], points[last]);
    if (distance > found.distance) Object.assign(found, { index, distance });
  }
  return found;
}

function distanceToLine([x, y], [u, v], [s, t]) {
  const [dx, dy] = [s - u, t - v];
  const squared = dx * dx + dy * dy;
  const along = squared ? clamp(((x - u) * dx + (y - v) * dy) / squared, 0, 1) : 0;
  return Math.hypot(x - u - along * dx, y - v - along * dy);
}
