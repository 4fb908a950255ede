// Inferno at nine points (Smith and van der Walt, CC0).
import { clamp } from "../shared/numbers.js";

const INFERNO = [
  [0, 0, 4],
  [31, 12, 72],
  [85, 15, 109],
  [136, 34, 106],
  [186, 54, 85],
  [227, 89, 51],
  [249, 140, 10],
  [249, 201, 50],
  [252, 255, 164],
];

/** The colour [red, green, blue] of a value in 0..1. */
export function inferno(value) {
  const position = clamp(value, 0, 1) * (INFERNO.length - 1);
  const index = Math.floor(position);
  const weight = position - index;
  const next = INFERNO[Math.min(index + 1, INFERNO.length - 1)];
  return INFERNO[index].map((channel, k) => Math.round(channel * (1 - weight) + next[k] * weight));
}

export function cssGradient() {
  return `linear-gradient(90deg,${INFERNO.map((colour) => `rgb(${colour})`)})`;
}
