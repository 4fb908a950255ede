import { make, setVisible } from "../shared/dom.js";
import { input, labelled, shortcutButton } from "../shared/toolbar.js";

const LONGEST_LABEL = 80;

/** The regions of the item as buttons that select them, the label of the selected one, and what can be done with it. */
export class RegionBar {
  /** @param regions - Regions; its permission guards the controls. */
  constructor(regions) {
    this.regions = regions;
    const { permission } = regions.verdictBar;
    this.list = make("div", { class: "region-list", role: "group", "aria-label": "Regions" });
    this.label = input("text", "Label of the region", {
      placeholder: "Label",
      maxlength: LONGEST_LABEL,
      onchange: (label) => regions.change({ label: label.trim() }),
    });
    this.label.addEventListener("keydown", ({ key }) => key === "Enter" && this.label.blur());
    this.remove = shortcutButton("Del", "Take away", "Take away the region", () => regions.remove());
    this.undo = shortcutButton("Y", "Take back", "Take back the last change of a region", () => regions.undo());
    this.help = make("span", { class: "faint" });
    this.element = make(
      "div",
      { class: "region-bar" },
      this.list,
      labelled("Label", permission.guard(this.label)),
      this.remove,
      permission.guard(this.undo),
      this.help,
    );
    setVisible(this.element, false);
  }

  /** @param help - how the tool is used; empty without one. */
  show(help) {
    const { regions } = this;
    const { list, selected } = regions;
    const isRefused = Boolean(regions.verdictBar.permission.because);
    setVisible(this.element, Boolean(help) || list.length > 0);
    this.showList(list, selected);
    if (this.shownKey !== selected?.key || this.label.getRootNode().activeElement !== this.label) {
      this.label.value = selected?.label ?? "";
      this.shownKey = selected?.key;
    }
    this.label.disabled = isRefused || !selected;
    this.remove.disabled = isRefused || !selected;
    this.undo.disabled = isRefused || !regions.changes.some(({ item }) => item === regions.item);
    this.help.textContent = selected ? "" : help;
  }

  /** Buttons are made anew only where something else is to be read, so that the focus stays. */
  showList(list, selected) {
    const names = list.map((region, k) => this.nameOf(region, k + 1));
    if (this.names !== names.join("\n")) {
      this.names = names.join("\n");
      this.list.replaceChildren(...list.map((region, k) => this.button(region, names[k])));
    }
    for (const button of this.list.children) {
      if (button.tagName === "BUTTON")
        button.setAttribute("aria-pressed", String(button.dataset.region === selected?.key));
    }
  }

  nameOf({ label, author }, number) {
    return `${number} ${label || "region"}${this.regions.isOwn({ author }) ? "" : ` (${author})`}`;
  }

  button(region, text) {
    if (!this.regions.isOwn(region)) return make("span", { class: "region other", text });
    const onclick = () => this.regions.select(this.regions.selectedKey === region.key ? null : region.key);
    return make("button", {
      class: "region",
      "data-region": region.key,
      "aria-label": `Region ${text}`,
      text,
      onclick,
    });
  }
}
