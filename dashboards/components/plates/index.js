// Pictures of one image beside each other: itself, maps of findings, visual aids. One view for all: zooming or moving one moves
// all.
import { make } from "../shared/dom.js";
import { followPointer } from "../shared/drag.js";
import { whileHere } from "../shared/leaving.js";
import { toolbar } from "../shared/toolbar.js";
import { chosenPlates, FITTED, movedBy, viewAfterKey, zoomedAt } from "./view.js";

const WHEEL = 0.0015; // of a doubling, per unit of the wheel
const TOLD_AGAIN = 2000; // ms

/** Called by Streamlit at first and after every rerun. */
export default function mount({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".odd");
  root.seen = data.seen;
  if (root.plates?.about === data.about) return;
  root.plates = new Plates(root, data);
  if (data.seen !== undefined) tellWhenSeen(root, whileHere(setTriggerValue));
}

/**
 * Tell which pictures are on the screen, once all of them are, or cannot be; again until it is known, since a rerun that
 * begins at that moment can lose it.
 */
async function tellWhenSeen(root, trigger) {
  const { about, stage } = root.plates;
  await Promise.allSettled([...stage.querySelectorAll("img")].map((image) => image.decode()));
  await new Promise(requestAnimationFrame);
  while (stage.isConnected && root.plates.about === about && root.seen !== about) {
    trigger("seen", about);
    await new Promise((resolve) => setTimeout(resolve, TOLD_AGAIN));
  }
}

class Plates {
  constructor(root, { about, plates, label }) {
    Object.assign(this, { about, plates, label });
    this.chosen = chosenPlates(plates);
    this.view = FITTED;
    this.buttons = plates.map((plate) => this.makeChoice(plate));
    this.stage = make("div", {
      class: "stage",
      tabindex: 0,
      role: "group",
      "aria-label": `${label}: arrows move, + and - zoom`,
    });
    this.stage.addEventListener("keydown", (event) => this.press(event));
    const zoom = [
      ["+", "Zoom in"],
      ["-", "Zoom out"],
      ["0", "Fit"],
    ].map(([key, name]) => {
      const text = key === "0" ? name : key;
      return make("button", { text, "aria-label": name, onclick: () => this.show(viewAfterKey(this.view, key)) });
    });
    const hint = make("span", { class: "hint", text: "Wheel or + and - zoom all, dragging moves all." });
    root.replaceChildren(toolbar("Pictures shown", ...this.buttons, ...zoom, hint), this.stage);
    this.draw();
  }

  makeChoice({ name, title, kind }) {
    const attributes = { class: kind, "data-name": name, text: title, onclick: () => this.toggle(name) };
    return make("button", attributes);
  }

  toggle(name) {
    if (!this.chosen.delete(name)) this.chosen.add(name);
    this.draw();
  }

  draw() {
    for (const button of this.buttons)
      button.setAttribute("aria-pressed", String(this.chosen.has(button.dataset.name)));
    const shown = this.plates.filter(({ name }) => this.chosen.has(name));
    this.stage.replaceChildren(...shown.map((plate) => this.makePane(plate)));
    this.show(this.view);
  }

  makePane({ title, address, explanation }) {
    const image = make("img", { src: address, alt: title, draggable: "false" });
    image.addEventListener("error", () => pane.replaceChildren(make("p", { text: `${title} cannot be shown.` })));
    const pane = make("div", { class: "pane" }, image);
    pane.addEventListener("wheel", (event) => this.zoom(event, pane), { passive: false });
    pane.addEventListener("pointerdown", (event) => this.drag(event, pane));
    pane.addEventListener("dblclick", () => this.show(FITTED));
    const caption = make("figcaption", {}, make("b", { text: title }), explanation ? ` ${explanation}` : "");
    return make("figure", {}, pane, caption);
  }

  zoom(event, pane) {
    event.preventDefault();
    const { left, top, width, height } = pane.getBoundingClientRect();
    const at = [(event.clientX - left) / width, (event.clientY - top) / height];
    this.show(zoomedAt(this.view, at, 2 ** (-event.deltaY * WHEEL)));
  }

  drag(event, pane) {
    const { width, height } = pane.getBoundingClientRect();
    const from = this.view;
    followPointer(pane, event, (moved) => {
      this.show(movedBy(from, [(moved.clientX - event.clientX) / width, (moved.clientY - event.clientY) / height]));
    });
  }

  press(event) {
    const view = viewAfterKey(this.view, event.key);
    if (view === undefined) return;
    event.preventDefault();
    this.show(view);
  }

  show(view) {
    this.view = view;
    const transform = `translate(${100 * view.x}%, ${100 * view.y}%) scale(${view.scale})`;
    for (const image of this.stage.querySelectorAll("img")) {
      image.style.transform = transform;
      image.style.imageRendering = view.scale > 4 ? "pixelated" : "";
    }
    // While all is in sight, a finger scrolls the page.
    for (const pane of this.stage.querySelectorAll(".pane")) pane.style.touchAction = view.scale > 1 ? "none" : "pan-y";
    this.stage.dataset.scale = view.scale.toFixed(2);
  }
}
