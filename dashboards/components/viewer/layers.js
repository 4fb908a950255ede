// Layers: what is drawn on a pane's canvas. A scene holds the pane's `placement` (see `visibleTiles`), the pyramid of the
// `original`, the `other` picture that it is compared with, the `map` (canvas, opacity and contours), how values `look` (low,
// high, inverted), the `bounds` of what a synthetic picture can tell apart, and the column where the `curtain` hangs (null for
// none).
import { strokeContours } from "./contours.js";
import { DIFFERENCE_GAIN } from "./display-mode.js";
import { paintHeatMap, rasterSize } from "./heat-map.js";
import { lookOfOther, placeOther } from "./other-picture.js";
import { rulerLength } from "./ruler.js";

const RULER_COLOUR = "#ffe14d";

const LAYERS = {
  original: drawOriginal,
  "bounded original": drawBoundedOriginal,
  other: drawOther,
  difference: drawDifference,
  "heat map": drawHeatMap,
  contours: drawContours,
};

/**
 * Draws layers from back to front.
 * @returns whether every tile was there.
 */
export function drawLayers(context, names, scene) {
  const { width, height, ratio } = scene.placement;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return names.map((name) => LAYERS[name](context, scene)).every(Boolean);
}

/** A heat map as a canvas, with the shape of the image. */
export function heatMapCanvas(heatMap, image) {
  const size = rasterSize(heatMap, image);
  const canvas = new OffscreenCanvas(size.width, size.height);
  const pixels = new ImageData(paintHeatMap(heatMap, size), size.width, size.height);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

export function drawRuler(context, ruler, { placement, original }) {
  const onPane = ([x, y]) => [placement.left + x * placement.scaleX, placement.top + y * placement.scaleY];
  const [x, y] = onPane(ruler.to);
  context.strokeStyle = RULER_COLOUR;
  context.lineWidth = 2;
  context.beginPath();
  context.moveTo(...onPane(ruler.from));
  context.lineTo(x, y);
  context.stroke();
  drawOutlinedText(context, rulerLength(ruler, original.facts), x + 8, y - 6);
}

function drawOutlinedText(context, text, x, y) {
  context.font = "13px system-ui";
  context.lineWidth = 3;
  context.strokeStyle = "#000";
  context.strokeText(text, x, y);
  context.fillStyle = RULER_COLOUR;
  context.fillText(text, x, y);
}

function drawOriginal(context, { placement, original, look }) {
  return original.draw(context, placement, { ...look, bounds: null });
}

/** Only what the synthetic picture can tell apart, so that their difference is about the image. */
function drawBoundedOriginal(context, { placement, original, look, bounds }) {
  return original.draw(context, placement, { ...look, bounds });
}

/** Right of the curtain opaque, so that it compares with the original; else over it. */
function drawHeatMap(context, scene) {
  const { map, curtain } = scene;
  const opacity = curtain === null ? map.opacity : 1;
  if (opacity === 0) return true;
  const { left, top, width, height } = imageRectangle(scene);
  context.save();
  clipRightOf(context, curtain ?? 0, scene.placement);
  context.globalAlpha = opacity;
  context.imageSmoothingEnabled = true;
  context.drawImage(map.canvas(), left, top, width, height);
  context.restore();
  return true;
}

function drawContours(context, scene) {
  context.save();
  clipRightOf(context, scene.curtain ?? 0, scene.placement);
  strokeContours(context, scene.map.contours(), imageRectangle(scene));
  context.restore();
  return true;
}

/** Where all of the original would be on the pane. */
function imageRectangle({ placement, original }) {
  const { left, top, scaleX, scaleY } = placement;
  return { left, top, width: original.facts.width * scaleX, height: original.facts.height * scaleY };
}

/** In the place of the original, whatever its own size. */
function drawOther(context, { placement, original, other, look, bounds, curtain }) {
  const place = placeOther(placement, original.facts, other);
  context.save();
  clipRightOf(context, curtain ?? 0, placement);
  if (curtain !== null) context.clearRect(curtain, 0, placement.width, placement.height);
  const isComplete = other.pyramid.draw(context, place, { ...lookOfOther(look, original.facts, other), bounds });
  context.restore();
  return isComplete;
}

/** |original - other| of what is shown, times DIFFERENCE_GAIN. */
function drawDifference(context, scene) {
  const { canvas } = context;
  const layer = new OffscreenCanvas(canvas.width, canvas.height);
  const isComplete = drawLayers(layer.getContext("2d"), ["other"], scene);
  context.save();
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.globalCompositeOperation = "difference";
  context.drawImage(layer, 0, 0);
  context.globalCompositeOperation = "lighter";
  for (let gain = 1; gain < DIFFERENCE_GAIN; gain *= 2) context.drawImage(canvas, 0, 0);
  context.restore();
  return isComplete;
}

function clipRightOf(context, x, { width, height }) {
  context.beginPath();
  context.rect(x, 0, width, height);
  context.clip();
}
