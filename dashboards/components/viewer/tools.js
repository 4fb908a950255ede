// Tools: what dragging on a pane does. `delta` is how far the pointer moved since the last call, `point` the image point
// under it. A tool may take keys (`press` tells whether it did), and say how it is used (`help`).
import { rulerAfterKey } from "./ruler.js";

export const TOOLS = {
  pan: { drag: (viewer, { delta }) => viewer.panBy(delta) },
  window: { drag: (viewer, { delta }) => viewer.windowBar.drag(delta) },
  ruler: {
    start: (viewer, { point }) => viewer.setRuler({ from: point, to: point }),
    drag: (viewer, { point }) => viewer.setRuler({ from: viewer.ruler?.from ?? point, to: point }),
    press: (viewer, event) => {
      const ruler = viewer.viewport ? rulerAfterKey(viewer.ruler, event, viewer.viewport) : undefined;
      if (ruler !== undefined) viewer.setRuler(ruler);
      return ruler !== undefined;
    },
  },
  rectangle: regionTool(
    "rectangle",
    "Drag a box. Enter puts one in the middle; arrows move it, with Shift they size it.",
  ),
  polygon: regionTool("polygon", "Draw around, or click point by point and close by Enter or a double click."),
};

function regionTool(kind, help) {
  return {
    help,
    start: (viewer, { point }) => viewer.pen.start(kind, point),
    drag: (viewer, { point }) => viewer.pen.drag(point),
    end: (viewer) => viewer.pen.end(),
    cancel: (viewer) => viewer.pen.drop(),
    double: (viewer) => viewer.pen.close(),
    press: (viewer, event) => viewer.pen.press(event),
  };
}
