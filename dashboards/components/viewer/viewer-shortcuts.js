// Keys and gestures of the case view.

const CLOSER = 1.5;

export function viewerShortcuts(viewer) {
  const { verdictBar, windowBar } = viewer;
  return [
    { key: "O", isOnce: true, action: () => verdictBar.decide("odd"), meaning: "verdict: odd" },
    { key: "N", isOnce: true, action: () => verdictBar.decide("normal"), meaning: "verdict: normal" },
    { key: "U", isOnce: true, action: () => verdictBar.decide("unsure"), meaning: "verdict: unsure" },
    { key: "Z", isOnce: true, action: () => verdictBar.undo(), meaning: "take back your last verdict on it" },
    { key: "T", isOnce: true, action: () => verdictBar.tag(), meaning: "tag it, or take a tag off" },
    { key: "J", action: () => viewer.step(1), meaning: "next in the queue" },
    { key: "K", action: () => viewer.step(-1), meaning: "previous in the queue" },
    { key: "P", action: () => viewer.takeTool("pan"), meaning: "drag moves the image" },
    {
      key: "W",
      action: () => viewer.takeTool("window"),
      meaning: "drag changes window (across) and level (down); the right button always does",
    },
    {
      key: "M",
      action: () => viewer.takeTool("ruler"),
      meaning: "drag measures; by keys: Enter, then arrows for the end, with Shift for the beginning",
    },
    { key: "R", action: () => viewer.takeTool("rectangle"), meaning: "drag draws a box; Enter puts one in the middle" },
    {
      key: "L",
      action: () => viewer.takeTool("polygon"),
      meaning: "drag draws an outline; clicks draw it point by point",
    },
    { key: "Y", isOnce: true, action: () => viewer.regions.undo(), meaning: "take back your last change of a region" },
    { key: "V", action: () => viewer.showMode("over"), meaning: "map over the image" },
    { key: "C", action: () => viewer.showMode("curtain"), meaning: "map or other picture behind a curtain" },
    { key: "B", action: () => viewer.showMode("side"), meaning: "map or other picture beside the image" },
    { key: "D", action: () => viewer.showMode("difference"), meaning: "difference to the other picture" },
    { key: "H", action: () => viewer.showMode("plain"), meaning: "no map" },
    { key: "I", action: () => windowBar.invert(), meaning: "invert" },
    { key: "F", action: () => viewer.fit(), meaning: "all of the image" },
    { key: "1", action: () => viewer.zoomTo(1), meaning: "one pixel a pixel" },
    { key: "+", action: () => viewer.zoomBy(CLOSER), meaning: "closer" },
    { key: "-", action: () => viewer.zoomBy(1 / CLOSER), meaning: "farther" },
    { key: "E", action: () => viewer.compareNext(), meaning: "compare with the next of the most alike items" },
    { key: ",", action: () => viewer.shiftOther(-1), meaning: "the other series a slice back" },
    { key: ";", action: () => viewer.shiftOther(1), meaning: "the other series a slice on" },
    { key: "S", action: () => viewer.togglePanel(), meaning: "panels at the sides away, and back" },
    { key: "ArrowDown", action: () => viewer.goDown(1), meaning: "next slice; without slices, down in the image" },
    { key: "ArrowUp", action: () => viewer.goDown(-1), meaning: "slice before; without slices, up in the image" },
    { key: "ArrowLeft", action: () => viewer.panStep(-1, 0), meaning: "left in the image" },
    { key: "ArrowRight", action: () => viewer.panStep(1, 0), meaning: "right in the image" },
    { key: "PageDown", action: () => viewer.panStep(0, 1), meaning: "down in the image" },
    { key: "PageUp", action: () => viewer.panStep(0, -1), meaning: "up in the image" },
    { key: "?", action: () => viewer.showHelp(), meaning: "these keys" },
  ];
}

export const GESTURES = [
  { key: "wheel", meaning: "zoom; slices where there are several (with Ctrl: zoom)" },
  { key: "drag", meaning: "pan, window, ruler or region, by the tool" },
  {
    key: "regions",
    meaning: "drag one to move it, its points to correct it; arrows move it, with Shift they size it; Del",
  },
  { key: "double click", meaning: "closer to that place" },
  { key: "two fingers", meaning: "zoom and pan" },
  { key: "contours", meaning: "their ticks point to the odd side; the slider under the image sets what is marked" },
  {
    key: "← →",
    meaning: "move the curtain, once it was clicked or tabbed to (with Shift: farther; Home, End: all the way)",
  },
];
