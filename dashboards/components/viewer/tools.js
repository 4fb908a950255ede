// Tools: what dragging on a pane does. `delta` is how far the pointer moved since the last call, `point` the image point
// under it.

export const TOOLS = {
  pan: { drag: (viewer, { delta }) => viewer.panBy(delta) },
  window: { drag: (viewer, { delta }) => viewer.windowBar.drag(delta) },
  ruler: {
    start: (viewer, { point }) => viewer.setRuler({ from: point, to: point }),
    drag: (viewer, { point }) => viewer.setRuler({ from: viewer.ruler?.from ?? point, to: point }),
  },
};
