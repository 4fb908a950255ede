import { make, makeOptions, setVisible } from "../shared/dom.js";
import { dropdown, input, labelled, shortcutButton, toolbar } from "../shared/toolbar.js";
import { isAscending, rangeText } from "./view-query.js";

const TYPING_PAUSE = 180; // milliseconds without another key, before a typed filter counts

const SORTS = [
  ["raw", "oddness"],
  ["p_value", "p"],
  ["q_value", "q"],
  ["item", "name"],
  ["group", "group"],
  ["", "input order"],
  ["decision", "verdict"],
  ["width", "width"],
];
const SHOWN = [
  ["all", "all"],
  ["flagged", "flagged"],
  ["unflagged", "not flagged"],
  ["errors", "errors"],
];
const DECISIONS = [
  ["all", "any"],
  ["undecided", "none yet"],
  ["decided", "decided"],
  ["odd", "odd"],
  ["normal", "normal"],
  ["unsure", "unsure"],
];

/** Sort, filters, tile size and saved views. */
export class FilterBar {
  /** @param actions - change (name and value of the query), resize, openView, saveView, toggleMaps. */
  constructor(query, { strata, tileSize, permission }, actions) {
    Object.assign(this, { query, actions });
    this.direction = make("button", { "aria-label": "Sort direction", onclick: () => this.turnDirection() });
    this.saved = dropdown("Saved views", [], (view) => view && actions.openView(view));
    this.name = this.typed("search", "find", "Find by name", { placeholder: "name contains …", maxlength: 300 });
    const range = { class: "p", min: 0, max: 1, step: "any", placeholder: "1" };
    this.range = make("button", { class: "range", onclick: () => actions.change("range", "") });
    this.tags = dropdown("Tag", [], (tag) => actions.change("tag", tag));
    this.tagged = labelled("Tag", this.tags);
    setVisible(this.tagged, false);
    this.maps = shortcutButton("M", "Maps", "Maps on the tiles", actions.toggleMaps);
    const sliderRange = { min: 56, max: 320, step: 8, value: tileSize };
    const oninput = (value) => actions.resize(Number(value));
    this.element = toolbar(
      "Sort and filter",
      this.choice("sort", "Sort", SORTS),
      this.direction,
      this.choice("show", "Show", SHOWN),
      this.choice("decision", "Verdict", DECISIONS),
      labelled("p ≤", this.typed("number", "p", "p at most", range)),
      this.name,
      this.range,
      ...(strata.length > 1 ? [this.choice("stratum", "Stratum", stratumOptions(strata))] : []),
      this.tagged,
      make("span", { class: "gap" }),
      this.maps,
      labelled("Size", input("range", "Tile size", { ...sliderRange, oninput })),
      labelled("View", this.saved),
      permission.guard(make("button", { text: "Save view", onclick: actions.saveView })),
    );
    this.showQuery(query);
  }

  /** Follows the query: the direction of the sort is a button, which does not show it by itself. */
  showQuery(query) {
    this.query = query;
    this.direction.textContent = isAscending(query) ? "↑" : "↓";
    this.direction.title = isAscending(query) ? "smallest first" : "largest first";
    const range = rangeText(query.get("range"));
    setVisible(this.range, Boolean(range));
    this.range.textContent = `${range} ✕`;
    this.range.setAttribute("aria-label", `Show more than ${range}`);
  }

  /** @param views - queries by name. */
  showViews(views) {
    const options = Object.entries(views).map(([name, query]) => [query, name]);
    this.saved.replaceChildren(...makeOptions([["", options.length ? "choose …" : "none saved"], ...options]));
  }

  /** @param tags - how many items have each. */
  showTags(tags) {
    const chosen = this.query.get("tag") ?? "";
    const options = Object.entries(tags ?? {}).map(([tag, count]) => [tag, `${tag} (${count})`]);
    if (chosen && !tags?.[chosen]) options.push([chosen, `${chosen} (0)`]);
    this.tags.replaceChildren(...makeOptions([["", "any"], ...options]));
    this.tags.value = chosen;
    setVisible(this.tagged, options.length > 0);
  }

  pressMaps(areShown) {
    this.maps.setAttribute("aria-pressed", String(areShown));
  }

  focusName() {
    this.name.focus();
  }

  turnDirection() {
    this.actions.change("up", isAscending(this.query) ? "" : "1");
  }

  choice(name, label, options) {
    const select = dropdown(label, options, (value) => this.actions.change(name, value));
    select.value = this.query.get(name) ?? options[0][0];
    return labelled(label, select);
  }

  typed(type, name, label, attributes) {
    const oninput = (value) => this.changeLater(name, value);
    const field = input(type, label, { ...attributes, oninput });
    field.value = this.query.get(name) ?? "";
    return field;
  }

  changeLater(name, value) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.actions.change(name, value), TYPING_PAUSE);
  }
}

function stratumOptions(strata) {
  return [["", "all"], ...strata.map((stratum) => [stratum, stratum])];
}
