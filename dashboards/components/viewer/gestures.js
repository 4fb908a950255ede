// Gestures on a pane: dragging with a tool, the wheel, and the pointer over a pixel.
import { followPointer } from "../shared/drag.js";
import { TOOLS } from "./tools.js";
import { toImage } from "./viewport.js";

const RIGHT_BUTTON = 2;
const WHEEL_PIXELS_PER_E = 400; // that much wheel zooms by e

export function listenForGestures(viewer, pane) {
  pane.element.addEventListener("pointerdown", (event) => drag(viewer, pane, event));
  pane.element.addEventListener("pointermove", (event) => point(viewer, pane, event));
  pane.element.addEventListener("wheel", (event) => turnWheel(viewer, pane, event), { passive: false });
}

/** The right button changes window and level, whichever tool is chosen. */
function drag(viewer, pane, event) {
  if (!viewer.viewport) return;
  event.preventDefault();
  const tool = TOOLS[event.button === RIGHT_BUTTON ? "window" : viewer.tool];
  tool.start?.(viewer, { point: imagePoint(viewer, pane, event) });
  let before = event;
  followPointer(pane.element, event, (moved) => {
    if (!viewer.viewport) return; // the next item is not drawn yet
    const delta = [moved.clientX - before.clientX, moved.clientY - before.clientY];
    before = moved;
    tool.drag(viewer, { delta, point: imagePoint(viewer, pane, moved) });
  });
}

function turnWheel(viewer, pane, event) {
  if (!viewer.viewport) return;
  event.preventDefault();
  if (viewer.slices.hasSeveral && !event.ctrlKey) viewer.slices.step(Math.sign(event.deltaY));
  else viewer.zoomAround(pane.size(), pane.pointOf(event), Math.exp(-event.deltaY / WHEEL_PIXELS_PER_E));
}

function point(viewer, pane, event) {
  if (viewer.viewport) viewer.showProbe(imagePoint(viewer, pane, event).map(Math.floor));
}

function imagePoint(viewer, pane, event) {
  return toImage(viewer.viewport, pane.size(), pane.pointOf(event));
}
