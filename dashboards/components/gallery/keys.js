import { clamp } from "../shared/numbers.js";

/** The card that an arrow key leads to from another; undefined for other keys. */
export function cardAfterKey(index, key, count, columns) {
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -count, End: count };
  return key in steps ? clamp(index + steps[key], 0, count - 1) : undefined;
}
