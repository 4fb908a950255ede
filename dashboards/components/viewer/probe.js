// The probe: what the image, a synthetic picture of it and the heat map say about the pixel under the pointer.
import { formatNumber } from "../shared/numbers.js";
import { evidenceAt, onePlaceIn } from "./heat-map.js";

const SEPARATOR = "  ·  ";

/** A pixel as text; `level` is above 0 where only an average of several pixels is known. */
export function pixelText({ level, channels, unit }) {
  const sign = level ? "≈" : "=";
  const isGrey = channels.every((channel) => channel === channels[0]);
  const shown = (isGrey ? channels.slice(0, 1) : channels).map((channel) => formatNumber(channel, 5));
  return `${sign} ${shown.join(", ")}${unit === "HU" ? " HU" : ""}`;
}

/** The middle of an image pixel, as the pixel of a picture of another size. */
export function correspondingPixel([x, y], image, other) {
  return [Math.floor(((x + 0.5) * other.width) / image.width), Math.floor(((y + 0.5) * other.height) / image.height)];
}

/**
 * @param pixel - [column, row].
 * @param original, synthetic - pixels as `pixelText` takes them; undefined where unknown.
 */
export function probeText([x, y], { image, original, synthetic, heatMap, scale }) {
  const parts = [`row ${y}, column ${x}`];
  if (original) parts.push(`value ${pixelText(original)}`);
  if (synthetic) parts.push(`synthetic ${pixelText(synthetic)}`);
  if (heatMap) {
    const places = onePlaceIn(evidenceAt(heatMap, (x + 0.5) / image.width, (y + 0.5) / image.height));
    parts.push(`map: one place in ${places.toLocaleString("en")} of normal images is as odd`);
  }
  parts.push(`${Math.round(scale * 100)} %`);
  return parts.join(SEPARATOR);
}
