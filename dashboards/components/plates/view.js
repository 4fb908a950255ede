// The view that all plates share: a scale, and where the upper left corner of the picture is, in shares of a pane.
import { clamp } from "../shared/numbers.js";

export const FITTED = Object.freeze({ x: 0, y: 0, scale: 1 });
const LARGEST = 40;
const STEP = 0.1; // of a pane, by an arrow key
const ZOOM_OF_KEY = { "+": 1.5, "=": 1.5, "-": 1 / 1.5 };
const MOVE_OF_KEY = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] };

/** Another scale; what is at a place of the pane stays there. */
export function zoomedAt({ x, y, scale }, [atX, atY], factor) {
  const larger = clamp(scale * factor, 1, LARGEST);
  const by = larger / scale;
  return within({ x: atX - (atX - x) * by, y: atY - (atY - y) * by, scale: larger });
}

export function movedBy({ x, y, scale }, [dx, dy]) {
  return within({ x: x + dx, y: y + dy, scale });
}

/** The view that a key leads to; undefined for other keys. */
export function viewAfterKey(view, key) {
  if (key === "0" || key === "Home") return FITTED;
  if (ZOOM_OF_KEY[key]) return zoomedAt(view, [0.5, 0.5], ZOOM_OF_KEY[key]);
  return MOVE_OF_KEY[key] && movedBy(view, MOVE_OF_KEY[key]);
}

/** The picture covers its pane. */
function within({ x, y, scale }) {
  return { x: clamp(x, 1 - scale, 0), y: clamp(y, 1 - scale, 0), scale };
}

/** What is shown first: the picture, and the strongest map, which comes first among maps. */
export function chosenPlates(plates) {
  const map = plates.find(({ kind }) => kind === "map");
  return new Set([...plates.filter(({ kind }) => kind === "picture"), ...(map ? [map] : [])].map(({ name }) => name));
}
