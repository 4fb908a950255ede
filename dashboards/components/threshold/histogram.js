// The histogram of scores, with bins [low, high, count], and what a threshold on it cuts off.
import { clamp } from "../shared/numbers.js";

const STEPS = 200; // arrow keys cross the range in that many
const STEP_OF_KEY = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10 };

/** The range of the values, {low, high, span}; `span` is never 0. */
export function rangeOf(bins) {
  const [low, high] = [bins[0][0], bins[bins.length - 1][1]];
  return { low, high, span: high - low || 1 };
}

export function clampTo({ low, high }, value) {
  return clamp(value, low, high);
}

/** Where a key moves the threshold; undefined for a key that does not. */
export function thresholdAfterKey(range, threshold, key) {
  const step = STEP_OF_KEY[key];
  return step && clampTo(range, threshold + (step * range.span) / STEPS);
}

/** Whether the middle of a bin is in the queue: at or above the threshold where large values are odd (`up`), else below. */
export function isBeyond([low, high], threshold, up) {
  const middle = (low + high) / 2;
  return up ? middle >= threshold : middle <= threshold;
}

/** How many are in the queue, as if values were spread evenly within a bin. */
export function estimateCount(bins, threshold, up) {
  return bins.reduce((sum, [low, high, count]) => {
    const below = clamp((threshold - low) / (high - low || 1), 0, 1);
    return sum + count * (up ? 1 - below : below);
  }, 0);
}
