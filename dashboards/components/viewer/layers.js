// Layers: what is drawn on a pane's canvas. A scene holds the pane's `placement` (see `visibleTiles`), the pyramids `original`
// and `synthetic`, the `heatMap` as a canvas with its `opacity`, how values `look` (low, high, inverted), the `bounds` of what
// the synthetic picture can tell apart, and the column where the `curtain` hangs (null for none).
import { DIFFERENCE_GAIN } from "./display-mode.js";
import { paintHeatMap, rasterSize } from "./heat-map.js";
import { rulerLength } from "./ruler.js";

const RULER_COLOUR = "#ffe14d";

const LAYERS = {
  original: drawOriginal,
  "bounded original": drawBoundedOriginal,
  synthetic: drawSynthetic,
  difference: drawDifference,
  "heat map": drawHeatMap,
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
export function heatMapCanvas(heatMap, image, threshold) {
  const size = rasterSize(heatMap, image);
  const canvas = new OffscreenCanvas(size.width, size.height);
  const pixels = new ImageData(paintHeatMap(heatMap, size, threshold), size.width, size.height);
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
function drawHeatMap(context, { placement, original, heatMap, opacity, curtain }) {
  const { left, top, scaleX, scaleY } = placement;
  context.save();
  clipRightOf(context, curtain ?? 0, placement);
  context.globalAlpha = curtain === null ? opacity : 1;
  context.imageSmoothingEnabled = true;
  context.drawImage(heatMap, left, top, original.facts.width * scaleX, original.facts.height * scaleY);
  context.restore();
  return true;
}

/** Over the place of the original, whatever its own size. */
function drawSynthetic(context, { placement, original, synthetic, look, bounds, curtain }) {
  const [own, shown] = [synthetic.facts, original.facts];
  const scaleX = (placement.scaleX * shown.width) / own.width;
  const scaleY = (placement.scaleY * shown.height) / own.height;
  context.save();
  clipRightOf(context, curtain ?? 0, placement);
  if (curtain !== null) context.clearRect(curtain, 0, placement.width, placement.height);
  const isComplete = synthetic.draw(context, { ...placement, scaleX, scaleY }, { ...look, bounds });
  context.restore();
  return isComplete;
}

/** |original - synthetic| of what is shown, times DIFFERENCE_GAIN. */
function drawDifference(context, scene) {
  const { canvas } = context;
  const layer = new OffscreenCanvas(canvas.width, canvas.height);
  const isComplete = drawLayers(layer.getContext("2d"), ["synthetic"], scene);
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
