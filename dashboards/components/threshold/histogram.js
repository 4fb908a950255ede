// The histogram of scores, with bins [low, high, count, counts by part], and what a threshold on it cuts off. An axis turns
// values into places along it, and back.
import { clamp } from "../shared/numbers.js";

const STEPS = 200; // arrow keys cross the range in that many
const STEP_OF_KEY = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10 };

const LINEAR = { place: (value) => value, value: (place) => place };
const LOGARITHMIC = { place: Math.log10, value: (place) => 10 ** place };

/** The axis over the bins: low and high, where each value is (`share`, 0 to 1), and what value is there (`valueAt`). */
export function axisOf(bins, isLog) {
  const [low, high] = [bins[0][0], bins[bins.length - 1][1]];
  const { place, value } = isLog && low > 0 ? LOGARITHMIC : LINEAR;
  const first = place(low);
  const span = place(high) - first || 1; // never 0
  return {
    low,
    high,
    isLog: place === Math.log10,
    share: (given) => (place(given) - first) / span,
    valueAt: (share) => clamp(value(first + share * span), low, high),
  };
}

export function clampTo({ low, high }, value) {
  return clamp(value, low, high);
}

/** Where a key moves the threshold; undefined for a key that does not. */
export function thresholdAfterKey(axis, threshold, key) {
  const step = STEP_OF_KEY[key];
  return step && axis.valueAt(axis.share(threshold) + step / STEPS);
}

/** Whether the middle of a bin is in the queue: at or above the threshold where large values are odd (`up`), else below. */
export function isBeyond(axis, [low, high], threshold, up) {
  const middle = (axis.share(low) + axis.share(high)) / 2;
  return up ? middle >= axis.share(threshold) : middle <= axis.share(threshold);
}

/** How many are in the queue, as if values were spread evenly within a bin. */
export function estimateCount(axis, bins, threshold, up) {
  const cut = axis.share(threshold);
  return bins.reduce((sum, [low, high, count]) => {
    const [from, to] = [axis.share(low), axis.share(high)];
    const below = clamp((cut - from) / (to - from || 1), 0, 1);
    return sum + count * (up ? 1 - below : below);
  }, 0);
}

/** The bin that a share of the axis lies in. */
export function binAt(axis, bins, share) {
  const index = bins.findIndex(([, high]) => share < axis.share(high));
  return index < 0 ? bins.length - 1 : index;
}

/** At most so many round values along the axis, with its ends; of a logarithmic one, 1, 2 and 5 of each decade. */
export function ticksOf(axis, most) {
  if (!axis.isLog) return Array.from({ length: most + 1 }, (_, k) => axis.valueAt(k / most));
  const decades = Array.from(
    { length: Math.ceil(Math.log10(axis.high / axis.low)) + 2 },
    (_, k) => 10 ** (Math.floor(Math.log10(axis.low)) + k),
  );
  const round = decades
    .flatMap((decade) => [decade, 2 * decade, 5 * decade])
    .filter((value) => value >= axis.low && value <= axis.high);
  const step = Math.ceil(round.length / most) || 1;
  return round.filter((_, k) => (round.length - 1 - k) % step === 0);
}
