// Window and level of scanner values: black at `low` and below, white at `high` and above.
// DICOM gives the same as centre and width, with black at centre - 0.5 - (width - 1) / 2 (PS3.3 C.11.2.1.2.1).
import { clamp } from "../shared/numbers.js";

const NARROWEST = 1e-6;
const PIXELS_PER_CENTRE_STEP = 300; // dragging that far moves the centre by one width
const PIXELS_PER_DOUBLING = 200;
// Centre and width by unit and tissue.
const PRESETS = { HU: { "soft tissue": [40, 400], lung: [-600, 1500], bone: [300, 1500], brain: [40, 80] } };

export const FILE_PRESET = "of the file";

export function presetNames(unit) {
  return [FILE_PRESET, ...Object.keys(PRESETS[unit] ?? {})];
}

/** The window of a preset; undefined for the one of the file, which only the file knows. */
export function presetWindow(unit, name) {
  const preset = PRESETS[unit]?.[name];
  return preset && fromCentre(...preset);
}

export function fromCentre(centre, width) {
  const half = Math.max((width - 1) / 2, NARROWEST);
  return { low: centre - 0.5 - half, high: centre - 0.5 + half };
}

export function toCentre({ low, high }) {
  return { centre: (low + high) / 2 + 0.5, width: high - low + 1 };
}

/** After dragging by [dx, dy]: width across, level down. */
export function dragged({ low, high }, [dx, dy]) {
  const width = high - low;
  const middle = (low + high) / 2 + (dy * width) / PIXELS_PER_CENTRE_STEP;
  const half = Math.max(width * (1 + dx / PIXELS_PER_DOUBLING), NARROWEST) / 2;
  return { low: middle - half, high: middle + half };
}

/**
 * Values as opaque grey pixels.
 * @param look - `low`, `high`, `inverted`, and `bounds`: what a synthetic picture can tell apart, null for no bounds.
 * @param pixels - a Uint32Array over RGBA bytes, little-endian.
 */
export function paintGrey(values, { low, high, inverted, bounds }, pixels) {
  const [least, most] = bounds ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  const scale = 255 / (high - low);
  for (let k = 0; k < pixels.length; k++) {
    const level = Math.round(clamp((clamp(values[k], least, most) - low) * scale, 0, 255));
    const grey = inverted ? 255 - level : level;
    pixels[k] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
  }
}
