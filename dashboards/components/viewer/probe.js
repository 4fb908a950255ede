// The probe: what the image, the picture that it is compared with and the heat map say about the pixel under the pointer.
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

/** A rate is never finer than one in what was seen. */
export function rarityText(onePlaceIn, places) {
  const seen = (places ?? onePlaceIn).toLocaleString("en");
  if (places && onePlaceIn > places) return `none of ${seen} places of normal images is as odd`;
  return `one place in ${onePlaceIn.toLocaleString("en")} of normal images is as odd`;
}

/**
 * @param pixel - [column, row].
 * @param original, other - pixels as `pixelText` takes them; undefined where unknown.
 * @param places - how many places of normal images the map compares with.
 */
export function probeText([x, y], { image, original, other, otherName, heatMap, places, scale }) {
  const parts = [`row ${y}, column ${x}`];
  if (original) parts.push(`value ${pixelText(original)}`);
  if (other) parts.push(`${otherName} ${pixelText(other)}`);
  if (heatMap) {
    const evidence = evidenceAt(heatMap, (x + 0.5) / image.width, (y + 0.5) / image.height);
    parts.push(`map: ${rarityText(onePlaceIn(evidence), places)}`);
  }
  parts.push(`${Math.round(scale * 100)} %`);
  return parts.join(SEPARATOR);
}
