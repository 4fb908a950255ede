// Regions on a pane: solid for one's own, dashed for others', with a square at each point of the selected one.
const OWN = "#57d3ff";
const OTHERS = "#d3b5ff";
const HANDLE = 7; // pixels
const BELOW_TITLE = 44; // pixels: above, the title of the pane would hide a label
const MOST_HANDLES = 60; // points, from which squares would hide the outline

/** @param drawing - regions of {points, label, author, isOwn, isSelected}, and the points of a draft or null. */
export function drawRegions(context, { regions, draft }, { placement }) {
  const onPane = ([x, y]) => [placement.left + x * placement.scaleX, placement.top + y * placement.scaleY];
  context.save();
  context.lineJoin = "round";
  for (const region of regions) drawRegion(context, region, region.points.map(onPane));
  if (draft) strokeOutline(context, draft.map(onPane), { colour: OWN, dash: [4, 3], isClosed: false });
  context.restore();
}

function drawRegion(context, { label, author, isOwn, isSelected }, points) {
  const colour = isOwn ? OWN : OTHERS;
  strokeOutline(context, points, { colour, dash: isOwn ? [] : [6, 4], isClosed: true });
  if (isSelected && points.length <= MOST_HANDLES) for (const point of points) drawHandle(context, point, colour);
  const text = [label, isOwn ? "" : author].filter(Boolean).join(" \u00b7 ");
  if (text) drawLabel(context, text, points, colour);
}

function strokeOutline(context, points, { colour, dash, isClosed }) {
  const path = new Path2D();
  for (const point of points) path.lineTo(...point);
  if (isClosed) path.closePath();
  for (const [style, width, pattern] of [
    ["rgb(0 0 0 / 0.75)", 4, []],
    [colour, 2, dash],
  ]) {
    context.setLineDash(pattern);
    context.strokeStyle = style;
    context.lineWidth = width;
    context.stroke(path);
  }
  context.setLineDash([]);
}

function drawHandle(context, [x, y], colour) {
  context.fillStyle = "#000";
  context.fillRect(x - HANDLE / 2 - 1, y - HANDLE / 2 - 1, HANDLE + 2, HANDLE + 2);
  context.fillStyle = colour;
  context.fillRect(x - HANDLE / 2, y - HANDLE / 2, HANDLE, HANDLE);
}

function drawLabel(context, text, points, colour) {
  const x = Math.min(...points.map(([u]) => u));
  const top = Math.min(...points.map(([, v]) => v));
  const y = top < BELOW_TITLE ? top + 20 : top;
  context.font = "600 12px system-ui";
  const { width } = context.measureText(text);
  context.fillStyle = "rgb(0 0 0 / 0.75)";
  context.fillRect(x, y - 19, width + 8, 17);
  context.fillStyle = colour;
  context.fillText(text, x + 4, y - 6);
}
