// The viewport {x, y, scale}: the image point in the middle of a pane, and how many screen pixels an image pixel covers.
// A pane is {width, height}, points on it are [x, y] from its upper left corner, all in CSS pixels.
import { clamp } from "../shared/numbers.js";

const SMALLEST_SCALE = 0.005;
const LARGEST_SCALE = 64;

/** The whole image, as large as the pane allows. */
export function fit(image, pane) {
  const scale = Math.min(pane.width / image.width, pane.height / image.height);
  return { x: image.width / 2, y: image.height / 2, scale };
}

export function toImage({ x, y, scale }, pane, [px, py]) {
  return [x + (px - pane.width / 2) / scale, y + (py - pane.height / 2) / scale];
}

/** Where the image's upper left corner lies on the pane. */
export function imageOrigin({ x, y, scale }, pane) {
  return { left: pane.width / 2 - x * scale, top: pane.height / 2 - y * scale };
}

export function pan(viewport, [dx, dy]) {
  const { x, y, scale } = viewport;
  return { x: x - dx / scale, y: y - dy / scale, scale };
}

export function zoomTo(viewport, scale) {
  return { ...viewport, scale: clamp(scale, SMALLEST_SCALE, LARGEST_SCALE) };
}

/** The image point under `point` stays there. */
export function zoomAround(viewport, pane, point, factor) {
  const zoomed = zoomTo(viewport, viewport.scale * factor);
  const [x, y] = toImage(viewport, pane, point);
  const [u, v] = toImage(zoomed, pane, point);
  return { ...zoomed, x: zoomed.x + x - u, y: zoomed.y + y - v };
}
