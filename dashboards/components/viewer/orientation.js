// Patient directions at the edges of a slice, from its direction cosines (Image Orientation (Patient), PS3.3 C.7.6.2.1.1):
// x grows to the patient's left, y to the back, z to the head.

const DIRECTIONS = [
  ["L", "R"],
  ["P", "A"],
  ["H", "F"],
];
const NO_LETTERS = { top: "", bottom: "", left: "", right: "" };

/** @param cosines - of a row, then of a column; null where they are unknown. */
export function edgeLetters(cosines) {
  if (!cosines) return NO_LETTERS;
  const [across, down] = [cosines.slice(0, 3), cosines.slice(3)];
  return { right: letter(across), left: letter(opposite(across)), bottom: letter(down), top: letter(opposite(down)) };
}

/** The axis that a direction follows most. */
function letter(vector) {
  const lengths = vector.map(Math.abs);
  const axis = lengths.indexOf(Math.max(...lengths));
  return DIRECTIONS[axis][vector[axis] > 0 ? 0 : 1];
}

function opposite(vector) {
  return vector.map((component) => -component);
}
