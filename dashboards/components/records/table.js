import { make } from "../shared/dom.js";
import { formatNumber } from "../shared/numbers.js";

/**
 * @param data - label; columns of {name, isNumber}; rows of {key, cells, picture, acts}, whose first cell names the record;
 *   opens, in words, what a click on a row does.
 * @param actions - onOpen (with the key of a row; null where rows open nothing) and onAct (key, name of an act).
 */
export function makeTable({ label, columns, rows, opens }, { onOpen, onAct }) {
  const hasActs = rows.some(({ acts }) => acts?.length);
  const names = columns.map(({ name, isNumber }) =>
    make("th", { scope: "col", text: name, class: isNumber && "number" }),
  );
  if (hasActs) names.push(make("th", { scope: "col" }, make("span", { class: "unseen", text: "Actions" })));
  const head = make("thead", {}, make("tr", {}, ...names));
  const body = rows.map((row, index) => makeRow(row, index, { columns, hasActs, opens, onOpen, onAct }));
  return make("table", { class: "records", "aria-label": label }, head, make("tbody", {}, ...body));
}

function makeRow({ key, cells, picture, acts = [] }, index, { columns, hasActs, opens, onOpen, onAct }) {
  const [first, ...others] = cells;
  const open = onOpen && (() => onOpen(key));
  const id = `record-${index}`;
  const title = open
    ? make("button", { class: "link", id, "aria-label": `${opens}: ${first}`, onclick: stopping(open) }, first)
    : first;
  const image = picture ? [make("img", { src: picture, alt: "", loading: "lazy" })] : [];
  const row = make(
    "tr",
    { class: open ? "opens" : null, onclick: open },
    make("th", { scope: "row" }, ...image, title),
    ...others.map((value, k) => makeCell(value, columns[k + 1])),
  );
  if (hasActs) row.append(make("td", { class: "acts" }, ...acts.map((act) => makeAct(act, first, index, key, onAct))));
  return row;
}

function makeCell(value, { name, isNumber }) {
  const text = isNumber ? formatNumber(value) : (value ?? "–");
  return make("td", { class: isNumber ? "number" : null, "data-name": name, text });
}

function makeAct({ name, label }, first, index, key, onAct) {
  const attributes = { id: `record-${index}-${name}`, "aria-label": `${label}: ${first}` };
  return make("button", { ...attributes, text: label, onclick: stopping(() => onAct(key, name)) });
}

/** A button in a row does its own thing, and not the row's too. */
function stopping(action) {
  return (event) => {
    event.stopPropagation();
    action();
  };
}
