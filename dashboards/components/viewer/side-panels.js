import { setVisible } from "../shared/dom.js";

const KEY = "oddpixel-panels"; // in the browser's storage

/** The panel beside the picture and the page's own side bar, which go and come together. */
export class SidePanels {
  constructor(panel, onChange) {
    Object.assign(this, { panel, onChange });
    this.areShown = localStorage.getItem(KEY) !== "away";
    this.show();
    if (!this.areShown) pageButton(false)?.click();
  }

  toggle() {
    this.areShown = !this.areShown;
    localStorage.setItem(KEY, this.areShown ? "shown" : "away");
    this.show();
    pageButton(this.areShown)?.click();
  }

  show() {
    setVisible(this.panel, this.areShown);
    this.onChange(this.areShown);
  }
}

/** Streamlit's button that brings the side bar, or takes it away; nothing where it is so already. */
function pageButton(isWanted) {
  const expand = find("stExpandSidebarButton"); // there while the side bar is away
  const button = isWanted ? expand : !expand && find("stSidebarCollapseButton");
  return button ? (button.querySelector("button") ?? button) : null;
}

function find(id) {
  return document.querySelector(`[data-testid="${id}"]`);
}
