import { setVisible } from "../shared/dom.js";
import { pressOnly, shortcutButton, toolbar } from "../shared/toolbar.js";

const TOOLS = [
  ["pan", "Pan", "P"],
  ["window", "Window", "W"],
  ["ruler", "Ruler", "M"],
  ["rectangle", "Box", "R"],
  ["polygon", "Outline", "L"],
];
const DRAWING = new Set(["rectangle", "polygon"]); // regions are for readers
const MODES = [
  ["over", "Overlay", "V"],
  ["curtain", "Curtain", "C"],
  ["side", "Side by side", "B"],
  ["difference", "Difference", "D"],
  ["plain", "No map", "H"],
];

/** How the image is shown: tools, display modes, what it is compared with, zoom. */
export class ViewBar {
  /** @param actions - takeTool, showMode, fit, zoomTo, togglePanel, showHelp. */
  constructor(actions, comparison, permission) {
    const { takeTool, showMode, fit, zoomTo, togglePanel, showHelp } = actions;
    this.tools = buttons(TOOLS, "tool", "Tool", takeTool);
    for (const button of this.tools) if (DRAWING.has(button.dataset.tool)) permission.guard(button);
    this.modes = buttons(MODES, "mode", "Map", showMode);
    this.panelButton = shortcutButton("S", "Sides", "Panels at the sides", togglePanel, { "aria-pressed": "true" });
    this.element = toolbar(
      "View",
      ...this.tools,
      ...this.modes,
      comparison.element,
      shortcutButton("F", "Fit", "Fit to window", fit),
      shortcutButton("1", "1:1", "1:1, one pixel a pixel", () => zoomTo(1)),
      this.panelButton,
      shortcutButton("?", "Keys", "Keys: keyboard help", showHelp),
    );
  }

  pressTool(name) {
    pressOnly(this.tools, "tool", name);
  }

  /** @param available - whether there is anything to show, by mode. */
  pressMode(name, available) {
    pressOnly(this.modes, "mode", name);
    for (const button of this.modes) button.disabled = !available[button.dataset.mode];
  }

  pressPanel(isShown) {
    this.panelButton.setAttribute("aria-pressed", String(isShown));
  }

  setWindowToolVisible(isVisible) {
    setVisible(
      this.tools.find((button) => button.dataset.tool === "window"),
      isVisible,
    );
  }
}

function buttons(rows, kind, label, action) {
  return rows.map(([name, text, key]) => {
    const attributes = { [`data-${kind}`]: name, "aria-pressed": "false" };
    return shortcutButton(key, text, `${label}: ${text}`, () => action(name), attributes);
  });
}
