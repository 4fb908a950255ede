// Where cells are. A layout is {columns, cellWidth, cellHeight}; a cell is known by its index in the queue.
import { clamp } from "../shared/numbers.js";

const MARGIN = 4; // pixels around all cells
const GAP = 6; // between two
const TEXT_HEIGHT = 42;
const SMALLEST_WITH_TEXT = 90;
const ROWS_AHEAD = 1; // drawn above and below what is in sight

export function showsText(tileSize) {
  return tileSize >= SMALLEST_WITH_TEXT;
}

export function gridLayout(gridWidth, tileSize) {
  const width = gridWidth - 2 * MARGIN;
  const columns = Math.max(Math.floor(width / tileSize), 1);
  const cellWidth = Math.floor(width / columns);
  return { columns, cellWidth, cellHeight: cellWidth + (showsText(tileSize) ? TEXT_HEIGHT : 0) };
}

/** Browsers lose precision beyond some ten million pixels: that is the limit of a queue. */
export function contentHeight({ columns, cellHeight }, count) {
  return Math.ceil(count / columns) * cellHeight + 2 * MARGIN;
}

export function cellBox({ columns, cellWidth, cellHeight }, index) {
  return {
    left: (index % columns) * cellWidth + MARGIN,
    top: rowTop({ columns, cellHeight }, index) + MARGIN,
    width: cellWidth - GAP,
    height: cellHeight - GAP,
  };
}

/** Cells from `first` up to, and without, `end`. */
export function visibleCells({ columns, cellHeight }, { scrollTop, clientHeight }, count) {
  const firstRow = Math.max(Math.floor(scrollTop / cellHeight) - ROWS_AHEAD, 0);
  const endRow = Math.ceil((scrollTop + clientHeight) / cellHeight) + ROWS_AHEAD;
  return { first: firstRow * columns, end: Math.min(endRow * columns, count) };
}

/** The scroll position, as near to the present one as possible, at which all of a cell is in sight. */
export function scrollToShow(layout, { scrollTop, clientHeight }, index) {
  const top = rowTop(layout, index);
  return clamp(scrollTop, top + layout.cellHeight + 2 * MARGIN - clientHeight, top);
}

function rowTop({ columns, cellHeight }, index) {
  return Math.floor(index / columns) * cellHeight;
}
