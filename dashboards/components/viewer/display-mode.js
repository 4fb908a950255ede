// Display modes: what the panes show of an original, its heat map and a synthetic picture of it.

export const DIFFERENCE_GAIN = 4; // a power of two: the canvas doubles

/** Which modes there is something to show in. */
export function availableModes({ heatMap, synthetic }) {
  const overlaid = Boolean(heatMap || synthetic);
  return { over: Boolean(heatMap), curtain: overlaid, side: overlaid, difference: Boolean(synthetic), plain: true };
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
export function layersOf(mode, { heatMap, synthetic }) {
  if (mode === "side" && synthetic) return [overlay(heatMap), ["synthetic"]];
  if (mode === "side") return [["original"], overlay(heatMap)];
  if (mode === "difference" && synthetic) return [["bounded original", "difference"], null];
  if (mode === "curtain" && synthetic) return [["original", "synthetic"], null];
  if (mode === "over" || mode === "curtain") return [overlay(heatMap), null];
  return [["original"], null];
}

export function paneTitles(mode, { heatMap, synthetic }) {
  const other = synthetic ? "synthetic" : "map";
  const titles = {
    over: "original with map",
    curtain: `original | ${other}`,
    side: synthetic && heatMap ? "original with map" : "original",
    difference: `difference to the synthetic picture, times ${DIFFERENCE_GAIN}`,
    plain: "original",
  };
  return [titles[mode], other];
}

/** Whether each pane shows pixels of a synthetic picture, so that it must say so. */
export function syntheticPanes(mode, { synthetic }) {
  if (!synthetic) return [false, false];
  return [mode === "curtain" || mode === "difference", mode === "side"];
}

function overlay(heatMap) {
  return heatMap ? ["original", "heat map"] : ["original"];
}
