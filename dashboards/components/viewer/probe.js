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

/** A rate is never finer than one in what was seen. */
function rarityText(onePlaceIn, places) {
  const seen = (places ?? onePlaceIn).toLocaleString("en");
  if (places && onePlaceIn > places) return `none of ${seen} places of normal images is as odd`;
  return `one place in ${onePlaceIn.toLocaleString("en")} of normal images is as odd`;
}

/**
 * @param pixel - [column, row].
 * @param original, synthetic - pixels as `pixelText` takes them; undefined where unknown.
 * @param places - how many places of normal images the map compares with.
 */
export function probeText([x, y], { image, original, synthetic, heatMap, places, scale }) {
  const parts = [`row ${y}, column ${x}`];
  if (original) parts.push(`value ${pixelText(original)}`);
  if (synthetic) parts.push(`synthetic ${pixelText(synthetic)}`);
  if (heatMap) {
    const evidence = evidenceAt(heatMap, (x + 0.5) / image.width, (y + 0.5) / image.height);
    parts.push(`map: ${rarityText(onePlaceIn(evidence), places)}`);
  }
  parts.push(`${Math.round(scale * 100)} %`);
  return parts.join(SEPARATOR);
}
