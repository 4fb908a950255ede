export function clamp(value, lowest, highest) {
  return Math.min(Math.max(value, lowest), highest);
}

/** With that many significant digits, without trailing zeros; a dash for a value that is missing. */
export function formatNumber(value, digits = 3) {
  return value === null || value === undefined ? "–" : String(Number(Number(value).toPrecision(digits)));
}
