import { make } from "../shared/dom.js";
import { formatNumber } from "../shared/numbers.js";
import { otherOpinions } from "../shared/opinions.js";

/** What a screen reader says of a row. */
export function cellLabel(row) {
  const score = row.error ? "not readable" : `p ${formatNumber(row.p_value, 2)}`;
  const verdict = [row.decision ?? "no verdict", ...conflicts(row)];
  const tags = row.tags?.length ? `tags: ${row.tags.join(" ")}` : "";
  return [row.item, score, row.flagged ? "flagged" : "", ...verdict, tags].filter(Boolean).join(", ");
}

function conflicts(row) {
  return row.decision ? otherOpinions(row.decision, row.opinions) : [];
}

/** What stands under the picture. */
export function scoreText(row) {
  if (row.error) return "error";
  return row.p_value === null ? "" : `p ${formatNumber(row.p_value, 2)}`;
}

/** @param box - left, top, width and height. */
export function makeCell(index, row, { box, thumbnails, showsText }) {
  const { left, top, width, height } = box;
  const attributes = {
    class: "cell",
    role: "option",
    id: `cell-${index}`,
    style: `left:${left}px;top:${top}px;width:${width}px;height:${height}px`,
    title: [row.item, row.because, row.error].filter(Boolean).join("\n"),
    "aria-label": cellLabel(row),
  };
  return make("div", attributes, makePicture(row, thumbnails), ...(showsText ? makeLines(row) : []));
}

function makePicture(row, thumbnails) {
  const picture = row.thumbnail ? thumbnails.image(row.thumbnail) : (row.error ?? "no picture is kept of it");
  const others = conflicts(row);
  const text = others.length ? `${row.decision} \u2260 ${others.join(", ")}` : row.decision;
  const chips = row.decision ? [make("span", { class: `chip verdict-${row.decision}`, text })] : [];
  const tags = row.tags?.length ? [make("span", { class: "tags", text: row.tags.join(" · ") })] : [];
  return make("div", { class: "picture", "aria-hidden": "true" }, picture, ...chips, ...tags);
}

function makeLines(row) {
  const chips = row.flagged ? [make("span", { class: "chip flagged", text: "flagged" })] : [];
  const score = make(
    "div",
    { class: "line", "aria-hidden": "true" },
    make("span", { class: "p", text: scoreText(row) }),
    ...chips,
  );
  // An isolated name: one written from right to left must not turn its surroundings.
  const name = make("span", { class: "name" }, make("bdi", { dir: "ltr", text: row.item }));
  return [score, make("div", { class: "line", "aria-hidden": "true" }, name)];
}
