// Where and how a picture is drawn that an original is compared with: {pyramid, isSynthetic}.

/**
 * The placement of the other picture, so that zoom and pan are one. A synthetic picture covers the original, from which it was
 * made; scans that both have a spacing show millimetres equally large; others are as large as the original's place allows.
 * All but the first lie in the middle of it.
 */
export function placeOther(placement, shown, { pyramid, isSynthetic }) {
  const own = pyramid.facts;
  const [scaleX, scaleY] = scales(placement, shown, own, isSynthetic);
  const left = placement.left + (shown.width * placement.scaleX - own.width * scaleX) / 2;
  const top = placement.top + (shown.height * placement.scaleY - own.height * scaleY) / 2;
  return { ...placement, left, top, scaleX, scaleY };
}

function scales({ scaleX, scaleY }, shown, own, isSynthetic) {
  const covering = [(scaleX * shown.width) / own.width, (scaleY * shown.height) / own.height];
  if (isSynthetic) return covering;
  if (shown.spacing_mm && own.spacing_mm) {
    const [down, across] = [0, 1].map((axis) => own.spacing_mm[axis] / shown.spacing_mm[axis]);
    return [scaleX * across, scaleY * down];
  }
  const scale = Math.min(...covering);
  return [scale, scale];
}

/** The pixel of the other picture that is drawn where a pixel [x, y] of the original is. */
export function correspondingPixel([x, y], shown, other) {
  const { left, top, scaleX, scaleY } = placeOther({ left: 0, top: 0, scaleX: 1, scaleY: 1 }, shown, other);
  return [Math.floor((x + 0.5 - left) / scaleX), Math.floor((y + 0.5 - top) / scaleY)];
}

/** Window and level are one for values of one unit; of another unit the picture keeps its own. */
export function lookOfOther(look, shown, { pyramid }) {
  const { kind, unit, window, inverted } = pyramid.facts;
  if (kind !== "values" || (shown.kind === "values" && shown.unit === unit)) return look;
  return { low: window[0], high: window[1], inverted };
}
