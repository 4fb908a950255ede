// The heat map: evidence on a grid of `rows` x `columns`, in -log10 of the share of normal images that are as odd there, so
// that one colour means the same in every image.
import { clamp } from "../shared/numbers.js";
import { inferno } from "./colour-map.js";

const BRIGHTEST = 4; // one place in ten thousand, or rarer
const LONGEST_ROW = 512; // pixels of the raster
const OUTLINE = [255, 255, 255, 255];

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

/** RGBA bytes: transparent where nothing is odd, and a white outline around what exceeds the threshold (null for none). */
export function paintHeatMap(heatMap, { width, height }, threshold) {
  // Bilinear to the finer grid first, so that outlines follow the values and not the cells of the map.
  const fine = resample(heatMap, width, height);
  const rgba = new Uint8ClampedArray(4 * width * height);
  const exceeds = threshold === null ? () => false : (x, y) => fine[y * width + x] > threshold;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const k = y * width + x;
      rgba.set(isOutline(exceeds, x, y, width, height) ? OUTLINE : tint(fine[k]), 4 * k);
    }
  }
  return rgba;
}

function neighbours(position, count) {
  const inside = clamp(position, 0, count - 1);
  const before = Math.floor(inside);
  return { before, after: Math.min(before + 1, count - 1), weight: inside - before };
}

function resample(heatMap, width, height) {
  const fine = new Float32Array(width * height);
  for (let k = 0; k < fine.length; k++) {
    fine[k] = evidenceAt(heatMap, ((k % width) + 0.5) / width, (Math.floor(k / width) + 0.5) / height);
  }
  return fine;
}

function tint(evidence) {
  const value = Math.min(evidence / BRIGHTEST, 1);
  return [...inferno(value), Math.round(255 * value)];
}

/** Whether it exceeds the threshold and a neighbour does not; beyond the edge nothing does. */
function isOutline(exceeds, x, y, width, height) {
  if (!exceeds(x, y)) return false;
  const isInner = x > 0 && y > 0 && x < width - 1 && y < height - 1;
  return !(isInner && exceeds(x - 1, y) && exceeds(x + 1, y) && exceeds(x, y - 1) && exceeds(x, y + 1));
}
