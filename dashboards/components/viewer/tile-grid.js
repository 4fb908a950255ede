// Which tiles of an image are in sight. Level 0 has all pixels, each further level half as many on a side; a tile has
// `facts.tile` pixels on a side, fewer at the right and lower edge.
import { clamp } from "../shared/numbers.js";

// A level serves until its pixels are a quarter of an octave (19 %) larger than the screen's: a finer one takes four times as
// many tiles.
const LEVEL_BIAS = 0.25;

/** The level with about one pixel per device pixel; `magnification` is device pixels per image pixel. */
export function levelFor(magnification, levels) {
  return clamp(Math.floor(Math.log2(1 / magnification) + LEVEL_BIAS), 0, levels - 1);
}

/** The columns that the tiles of a level have in values: the last one may be narrower. */
export function columnsOf({ width, tile }, level, column) {
  return Math.min(tile, Math.ceil(width / 2 ** level) - column * tile);
}

/**
 * The tiles of `level` that a pane shows, each with the rectangle of the pane that it covers.
 * @param placement - the image's corner at `left`, `top`; its pixels `scaleX` x `scaleY` large; the pane `width` x `height`.
 */
export function* visibleTiles(facts, level, placement) {
  const size = facts.tile * 2 ** level; // in image pixels
  const [firstColumn, lastColumn] = range(placement.left, placement.width, size * placement.scaleX, facts.width / size);
  const [firstRow, lastRow] = range(placement.top, placement.height, size * placement.scaleY, facts.height / size);
  for (let row = firstRow; row <= lastRow; row++) {
    for (let column = firstColumn; column <= lastColumn; column++) {
      yield { level, column, row, ...rectangle(facts, size, column, row, placement) };
    }
  }
}

function range(start, extent, step, count) {
  const last = Math.ceil(count) - 1;
  return [clamp(Math.floor(-start / step), 0, last), clamp(Math.floor((extent - start) / step), 0, last)];
}

function rectangle(facts, size, column, row, { left, top, scaleX, scaleY }) {
  return {
    left: left + column * size * scaleX,
    top: top + row * size * scaleY,
    width: Math.min(size, facts.width - column * size) * scaleX,
    height: Math.min(size, facts.height - row * size) * scaleY,
  };
}
