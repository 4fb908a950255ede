// Gestures on a pane: dragging with a tool, the wheel, two fingers, and the pointer over a pixel.
import { followPointer } from "../shared/drag.js";
import { TOOLS } from "./tools.js";
import { toImage } from "./viewport.js";

const RIGHT_BUTTON = 2;
const CLOSER = 2; // by a double click
const WHEEL_PIXELS_PER_E = 400; // that much wheel zooms by e

export function listenForGestures(viewer, pane) {
  const { element } = pane;
  const fingers = new Map(); // id of a pointer that is down -> its place on the pane
  element.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, pane.pointOf(event));
    element.setPointerCapture(event.pointerId);
    if (fingers.size === 1) drag(viewer, pane, event, fingers);
  });
  element.addEventListener("pointermove", (event) => {
    point(viewer, pane, event);
    if (fingers.size === 2) TOOLS[viewer.tool].cancel?.(viewer); // two fingers zoom, and draw nothing
    if (fingers.size === 2 && fingers.has(event.pointerId)) pinch(viewer, pane, event, fingers);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    element.addEventListener(end, (event) => fingers.delete(event.pointerId));
  }
  element.addEventListener("dblclick", (event) => {
    const { double } = TOOLS[viewer.tool];
    if (double) double(viewer);
    else if (viewer.viewport) viewer.zoomAround(pane.size(), pane.pointOf(event), CLOSER);
  });
  element.addEventListener("wheel", (event) => turnWheel(viewer, pane, event), { passive: false });
}

/** The right button changes window and level, whichever tool is chosen. */
function drag(viewer, pane, event, fingers) {
  if (!viewer.viewport) return;
  event.preventDefault();
  pane.element.getRootNode().activeElement?.blur(); // what is typed after a press on the picture is about the picture
  const tool = TOOLS[event.button === RIGHT_BUTTON ? "window" : viewer.tool];
  tool.start?.(viewer, { point: imagePoint(viewer, pane, event) });
  let before = event;
  const follow = (moved) => {
    if (moved.pointerId !== event.pointerId) return;
    const delta = [moved.clientX - before.clientX, moved.clientY - before.clientY];
    before = moved;
    if (!viewer.viewport || fingers.size > 1) return; // the next item is not drawn yet, or two fingers zoom
    tool.drag(viewer, { delta, point: imagePoint(viewer, pane, moved) });
  };
  followPointer(pane.element, event, follow, () => tool.end?.(viewer));
}

/** What lies under two fingers stays under them. */
function pinch(viewer, pane, event, fingers) {
  const before = spanOf(fingers);
  fingers.set(event.pointerId, pane.pointOf(event));
  const now = spanOf(fingers);
  if (!viewer.viewport || !before.distance || !now.distance) return;
  viewer.zoomAround(pane.size(), before.middle, now.distance / before.distance);
  viewer.panBy([now.middle[0] - before.middle[0], now.middle[1] - before.middle[1]]);
}

function spanOf(fingers) {
  const [one, other] = fingers.values();
  const middle = [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2];
  return { middle, distance: Math.hypot(one[0] - other[0], one[1] - other[1]) };
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
