import { make, setVisible } from "../shared/dom.js";
import { input, labelled, pressOnly, shortcutButton, toolbar } from "../shared/toolbar.js";
import { cssGradient } from "./colour-map.js";

const TOOLS = [
  ["pan", "Pan", "P"],
  ["window", "Window", "W"],
  ["ruler", "Ruler", "M"],
];
const MODES = [
  ["over", "Overlay", "V"],
  ["curtain", "Curtain", "C"],
  ["side", "Side by side", "B"],
  ["difference", "Difference", "D"],
  ["plain", "No map", "H"],
];

/** How the image is shown: tools, display modes, what it is compared with, opacity of the heat map, zoom. */
export class ViewBar {
  /** @param actions - takeTool, showMode, setOpacity, fit, zoomTo, showHelp. */
  constructor(actions, comparison, opacity) {
    const { takeTool, showMode, setOpacity, fit, zoomTo, showHelp } = actions;
    this.tools = buttons(TOOLS, "tool", "Tool", takeTool);
    this.modes = buttons(MODES, "mode", "Map", showMode);
    const oninput = (value) => setOpacity(Number(value));
    const slider = input("range", "Opacity of the map", { min: 0, max: 1, step: 0.01, value: opacity, oninput });
    this.element = toolbar(
      "View",
      ...this.tools,
      ...this.modes,
      comparison.element,
      labelled("Opacity", slider, legend()),
      shortcutButton("F", "Fit", "Fit to window", fit),
      shortcutButton("1", "1:1", "One pixel a pixel", () => zoomTo(1)),
      shortcutButton("?", "Keys", "Keyboard help", showHelp),
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

function legend() {
  return make("span", {
    class: "scale",
    role: "img",
    "aria-label": "Colours of the map: left ordinary, right one place in ten thousand or rarer",
    title: "left: ordinary; right: one place in 10,000 or rarer, in every image alike",
    style: `background:${cssGradient()}`,
  });
}
