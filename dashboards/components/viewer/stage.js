import { make, setVisible } from "../shared/dom.js";
import { routeUrl } from "../shared/requests.js";
import { Curtain } from "./curtain.js";
import { layersOf, paneTitles, syntheticPanes } from "./display-mode.js";
import { drawLayers, drawRuler } from "./layers.js";
import { Pane } from "./pane.js";
import { drawRegions } from "./region-layer.js";
import { imageOrigin } from "./viewport.js";

/** Two panes, of which the second shows side by side only, and the curtain over the first. */
export class Stage {
  /** @param onChange - called when something moved and the stage must be drawn. */
  constructor(onChange) {
    this.panes = ["original", "map"].map((title) => new Pane(title));
    this.curtain = new Curtain(onChange);
    this.panes[0].element.append(this.curtain.element);
    this.element = make("div", { class: "stage" }, ...this.panes.map((pane) => pane.element));
    this.observer = new ResizeObserver(onChange);
    this.observer.observe(this.element);
  }

  unmount() {
    this.observer.disconnect();
  }

  /** Of a pane, in CSS pixels. */
  size() {
    return this.panes[0].size();
  }

  /** Shows the panes of a display mode, with their titles and marks. */
  arrange(mode, content) {
    const titles = paneTitles(mode, content);
    const areSynthetic = syntheticPanes(mode, content);
    for (const [k, pane] of this.panes.entries()) {
      pane.setTitle(titles[k]);
      pane.setMark(areSynthetic[k] ? content.other : null, mode === "curtain");
    }
    setVisible(this.panes[1].element, mode === "side");
    setVisible(this.curtain.element, mode === "curtain");
  }

  setLetters(letters) {
    for (const pane of this.panes) pane.setLetters(letters);
  }

  /** What is known of an item until its picture is drawn: its thumbnail, or that it is being opened. */
  showPreview(run, thumbnail) {
    const url = thumbnail ? routeUrl(run, "thumbnail", { name: thumbnail }) : null;
    for (const pane of this.panes) pane.showPreview(url);
  }

  hidePreview() {
    for (const pane of this.panes) pane.hidePreview();
  }

  hideMessages() {
    for (const pane of this.panes) pane.hideMessage();
  }

  showError(text) {
    for (const pane of this.panes) pane.showError(text);
  }

  /**
   * @param view - viewport, mode, content (heat map and other picture), original, map, look, ruler, drawing.
   * @returns whether every tile in sight was there.
   */
  paint(view) {
    this.curtain.showPosition(this.element);
    const scene = this.scene(view);
    const layers = layersOf(view.mode, view.content);
    return this.panes.map((pane, k) => !layers[k] || paintPane(pane, layers[k], scene, view)).every(Boolean);
  }

  scene({ viewport, mode, content, original, map, look }) {
    const size = this.size();
    const placement = { ...imageOrigin(viewport, size), ...size, scaleX: viewport.scale, scaleY: viewport.scale };
    return {
      placement: { ...placement, ratio: window.devicePixelRatio || 1 },
      original,
      other: content.other,
      bounds: content.other?.window ?? null,
      map,
      look,
      curtain: mode === "curtain" ? size.width * this.curtain.position : null,
    };
  }

  /** Says on the page what is shown, complete: tests wait for it. */
  announce(item, shown) {
    this.element.dataset.ready = item;
    this.element.dataset.shown = shown;
  }
}

function paintPane(pane, layers, scene, { ruler, drawing }) {
  const context = pane.context(scene.placement);
  const isComplete = drawLayers(context, layers, scene);
  if (layers[0] !== "other") drawRegions(context, drawing, scene); // they are about the original
  if (ruler) drawRuler(context, ruler, scene);
  return isComplete;
}
