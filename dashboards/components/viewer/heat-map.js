// The heat map: evidence on a grid of `rows` x `columns`, in -log10 of the share of normal images that are as odd there, so
// that one colour means the same in every image.
import { clamp } from "../shared/numbers.js";
import { inferno } from "./colour-map.js";

export const BRIGHTEST = 4; // one place in ten thousand, or rarer
const LONGEST_ROW = 512; // pixels of the raster

/** Two uint32, rows and columns, and float32 values. */
export function decodeHeatMap(content) {
  const [rows, columns] = new Uint32Array(content, 0, 2);
  return { rows, columns, values: new Float32Array(content, 8) };
}

/** Bilinear between the middles of grid cells; `u` across and `v` down are in 0..1. */
export function evidenceAt({ rows, columns, values }, u, v) {
  const x = neighbours(u * columns - 0.5, columns);
  const y = neighbours(v * rows - 0.5, rows);
  const along = (row) => values[row * columns + x.before] * (1 - x.weight) + values[row * columns + x.after] * x.weight;
  return along(y.before) * (1 - y.weight) + along(y.after) * y.weight;
}

/** How many normal places are looked at until one is as odd. */
export function onePlaceIn(evidence) {
  return Math.round(10 ** evidence);
}

/** The size of a raster with the shape of the image, which is the grid's own where the image cannot be shown. */
export function rasterSize({ rows, columns }, image) {
  const width = Math.min(image?.width ?? LONGEST_ROW, LONGEST_ROW);
  const height = Math.max(Math.round((width * (image?.height ?? rows)) / (image?.width ?? columns)), 1);
  return { width, height };
}

/** RGBA bytes: transparent where nothing is odd. */
export function paintHeatMap(heatMap, { width, height }) {
  const rgba = new Uint8ClampedArray(4 * width * height);
  for (let k = 0; k < width * height; k++) {
    const evidence = evidenceAt(heatMap, ((k % width) + 0.5) / width, (Math.floor(k / width) + 0.5) / height);
    rgba.set(tint(evidence), 4 * k);
  }
  return rgba;
}

function neighbours(position, count) {
  const inside = clamp(position, 0, count - 1);
  const before = Math.floor(inside);
  return { before, after: Math.min(before + 1, count - 1), weight: inside - before };
}

function tint(evidence) {
  const value = Math.min(evidence / BRIGHTEST, 1);
  return [...inferno(value), Math.round(255 * value)];
}
