// Display modes: what the panes show of an original, its heat map and another picture that it is compared with.

export const DIFFERENCE_GAIN = 4; // a power of two: the canvas doubles

/** Which modes there is something to show in. */
export function availableModes({ heatMap, other }) {
  const overlaid = Boolean(heatMap || other);
  return { over: Boolean(heatMap), curtain: overlaid, side: overlaid, difference: Boolean(other), plain: true };
}

/** The chosen mode, or the nearest that is available. */
export function shownMode(chosen, available) {
  if (available[chosen]) return chosen;
  return available.over ? "over" : "plain";
}

/**
 * What each pane draws, from back to front; null for a pane that is not shown. While the next item is loaded there may be
 * nothing yet for the mode: then the original shows alone.
 */
export function layersOf(mode, { heatMap, other }) {
  if (mode === "side" && other) return [overlay(heatMap), ["other"]];
  if (mode === "side") return [["original"], overlay(heatMap)];
  if (mode === "difference" && other) return [["bounded original", "difference"], null];
  if (mode === "curtain" && other) return [["original", "other"], null];
  if (mode === "over" || mode === "curtain") return [overlay(heatMap), null];
  return [["original"], null];
}

export function paneTitles(mode, { heatMap, other }) {
  const name = other ? other.title : "map";
  const titles = {
    over: "original with map",
    curtain: `original | ${name}`,
    side: other && heatMap ? "original with map" : "original",
    difference: `difference to ${name}, times ${DIFFERENCE_GAIN}`,
    plain: "original",
  };
  return [titles[mode], name];
}

/** Whether each pane shows pixels of a synthetic picture, so that it must say so. */
export function syntheticPanes(mode, { other }) {
  if (!other?.isSynthetic) return [false, false];
  return [mode === "curtain" || mode === "difference", mode === "side"];
}

function overlay(heatMap) {
  return heatMap ? ["original", "heat map", "contours"] : ["original"];
}
