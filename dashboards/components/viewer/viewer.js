import { Changes } from "../shared/changes.js";
import { make } from "../shared/dom.js";
import { helpDialog, listenForShortcuts } from "../shared/shortcuts.js";
import { StatusLine } from "../shared/status-line.js";
import { TaskQueue } from "../shared/task-queue.js";
import { CaseQueue } from "./case-queue.js";
import { Comparison } from "./comparison.js";
import { availableModes, shownMode } from "./display-mode.js";
import { listenForGestures } from "./gestures.js";
import { fetchFacts, fetchHeatMap } from "./item-requests.js";
import { heatMapCanvas } from "./layers.js";
import { edgeLetters } from "./orientation.js";
import { correspondingPixel, probeText } from "./probe.js";
import { SliceBar } from "./slice-bar.js";
import { Stage } from "./stage.js";
import { TilePyramid } from "./tile-pyramid.js";
import { VerdictBar } from "./verdict-bar.js";
import { ViewBar } from "./view-bar.js";
import { GESTURES, viewerShortcuts } from "./viewer-shortcuts.js";
import { fit, pan, zoomAround, zoomTo } from "./viewport.js";
import { WindowBar } from "./window-bar.js";

const OPACITY = 0.6;
const SETTLED_AFTER = 500; // milliseconds without another item, before Python opens the page of this one

/** One case on the screen: its parts, and the state that they share. */
export class Viewer {
  constructor(root, { run, queue }) {
    Object.assign(this, { root, run });
    this.queue = new CaseQueue(run, queue);
    this.opened = new Set(); // items that were opened here: Python says them once more, later
    this.presses = new TaskQueue(); // one after the other: a verdict is about the item that the key before led to
    this.tileCache = new Map();
    this.viewport = null; // fitted at the next drawing
    this.chosenMode = "over";
    this.opacity = OPACITY;
    this.ruler = null;
    this.heatMap = null;
    this.frame = null;
    this.build();
    this.takeTool("pan");
    this.showMode();
    this.listen();
  }

  /** What Python says: at the start, and again after each of its reruns. */
  update(data, trigger) {
    Object.assign(this, { threshold: data.threshold, places: data.places });
    this.trigger = trigger;
    if (data.item !== this.item && !this.opened.has(data.item)) this.open(data.item, data.group);
    this.verdictBar.update(data, trigger);
    if (data.item !== this.item) return; // it is behind: it will say more
    this.group = data.group;
    this.synthetic = { item: data.item, pictures: data.synthetic };
    this.slices.setSlices(data.slices);
    this.slices.showItem(data.item);
    if (this.loadedItem === this.item) this.offerSynthetic();
  }

  // Parts

  build() {
    this.status = new StatusLine();
    this.verdictBar = new VerdictBar(this.run, this.status, {
      currentItem: () => this.item,
      step: (by) => this.step(by),
      press: (action) => this.presses.add(action),
    });
    this.windowBar = new WindowBar(() => this.draw());
    this.slices = new SliceBar((item) => this.open(item, this.group));
    this.comparison = new Comparison(this.run, {
      openPyramid: (query, facts) => this.openPyramid(query, facts),
      onChange: (mode) => this.showMode(mode),
      status: this.status,
    });
    this.viewBar = new ViewBar(this.viewActions(), this.comparison, this.opacity);
    this.stage = new Stage(() => this.draw());
    for (const pane of this.stage.panes) listenForGestures(this, pane);
    this.probe = make("div", { class: "probe", role: "status" });
    this.shortcuts = viewerShortcuts(this);
    this.help = helpDialog("Keys of the case view", [...this.shortcuts, ...GESTURES]);
    const bars = [this.verdictBar, this.viewBar, this.windowBar].map((bar) => bar.element);
    this.root.replaceChildren(
      ...bars,
      this.stage.element,
      this.probe,
      this.slices.element,
      this.status.element,
      this.help,
    );
  }

  viewActions() {
    return {
      takeTool: (name) => this.takeTool(name),
      showMode: (mode) => this.showMode(mode),
      setOpacity: (opacity) => this.setOpacity(opacity),
      fit: () => this.fit(),
      zoomTo: (scale) => this.zoomTo(scale),
      showHelp: () => this.showHelp(),
    };
  }

  listen() {
    const run = (action) => this.presses.add(action);
    const stopListening = listenForShortcuts(this.shortcuts, { isBlocked: () => this.help.open, run });
    const changes = new Changes(this.run, (items) => this.verdictBar.learn(items ?? {}));
    this.unmount = () => {
      stopListening();
      changes.stop();
      this.stage.unmount();
      this.slices.stop();
      clearTimeout(this.settling);
    };
  }

  showHelp() {
    this.help.showModal();
  }

  // Loading

  async step(by) {
    try {
      const row = this.queue.known(this.item, by) ?? (await this.queue.neighbour(this.item, by));
      if (row) this.open(row.item, row.group, row);
      else this.status.show(by < 0 ? "This is the first of the queue." : "This was the last of the queue.");
    } catch (error) {
      this.status.showError(error.message);
    }
  }

  /** Shows an item at once, by its thumbnail until its picture is here. Keys are about it from now on. */
  open(item, group, row = null) {
    if (group !== this.group) {
      this.slices.setSlices([]);
      this.viewport = null;
    }
    const isFirst = this.item === undefined;
    if (!isFirst) this.verdictBar.leave(this.item);
    Object.assign(this, { item, group, original: null });
    this.opened.add(item);
    if (row) this.verdictBar.learnFirst(item, row);
    this.verdictBar.arrive(item);
    this.stage.showPreview(this.run, row?.thumbnail);
    this.load(item, row);
    if (!isFirst) this.tellPython();
  }

  /** The address says what is shown, without an entry in the history for every step. Python makes its page of it: at once, and
   * of what is shown last where several steps follow each other. */
  tellPython() {
    const address = new URLSearchParams(location.search);
    address.set("item", this.item);
    history.replaceState(history.state, "", `${location.pathname}?${address}`);
    clearTimeout(this.settling);
    const tell = () => {
      this.toldAt = performance.now();
      this.trigger("go", { item: this.item });
    };
    if (performance.now() - (this.toldAt ?? -SETTLED_AFTER) >= SETTLED_AFTER) tell();
    else this.settling = setTimeout(tell, SETTLED_AFTER);
  }

  async load(item, row) {
    this.slices.showItem(item);
    this.ruler = null;
    this.comparison.clear();
    await this.loadOriginal(item);
    if (item === this.item) await this.loadHeatMap(item, row);
    if (item !== this.item) return;
    this.loadedItem = item;
    this.offerSynthetic();
    this.prefetch(item);
  }

  /** Has the server open the next picture before it is asked for, and reads the queue around. */
  async prefetch(item) {
    try {
      await this.queue.readAround(item);
      const next = this.queue.known(item, 1);
      if (next && !next.error && item === this.item) await fetchFacts(this.run, next.item);
    } catch {
      // Whoever goes there learns why it cannot be shown.
    }
  }

  async loadOriginal(item) {
    try {
      const facts = await fetchFacts(this.run, item);
      if (item === this.item) this.showOriginal(item, facts);
    } catch (error) {
      if (item === this.item) this.showNoOriginal(error);
    }
  }

  showOriginal(item, facts) {
    if (this.facts?.width !== facts.width || this.facts?.height !== facts.height) this.viewport = null;
    this.facts = facts;
    this.heatMap = null; // it belonged to the item before
    this.original = this.openPyramid({ item }, facts);
    const hasWindow = facts.kind === "values";
    if (hasWindow) this.windowBar.open(facts);
    this.windowBar.setVisible(hasWindow);
    this.viewBar.setWindowToolVisible(hasWindow);
    this.stage.setLetters(edgeLetters(facts.orientation));
    this.stage.hideMessages();
  }

  showNoOriginal(error) {
    this.facts = null;
    this.stage.hidePreview();
    this.heatMap = null;
    this.stage.showError(`The original cannot be shown: ${error.message}`);
  }

  async loadHeatMap(item, row) {
    try {
      const isKept = this.slices.current?.map ?? (row ?? this.queue.row(item))?.map;
      const heatMap = await fetchHeatMap(this.run, item, isKept);
      if (item === this.item) this.showHeatMap(heatMap);
    } catch (error) {
      if (item === this.item) this.status.showError(`The map cannot be shown: ${error.message}`);
    }
  }

  showHeatMap(heatMap) {
    this.heatMap = heatMap;
    this.heatMapCanvas = heatMap && heatMapCanvas(heatMap, this.facts, this.threshold);
    if (!heatMap && this.facts) this.status.show("No map was kept of this image.");
  }

  openPyramid(query, facts) {
    return new TilePyramid(this.run, query, facts, {
      cache: this.tileCache,
      onTile: () => this.draw(),
      onError: (error) => this.status.showError(error.message),
    });
  }

  offerSynthetic() {
    const { item, pictures } = this.synthetic;
    this.comparison.offer(this.item, this.facts && item === this.item ? pictures : []);
  }

  // Display

  takeTool(name) {
    this.tool = name;
    this.viewBar.pressTool(name);
  }

  setOpacity(opacity) {
    this.opacity = opacity;
    this.draw();
  }

  /** What there is besides the original. */
  get content() {
    return { heatMap: this.heatMap, synthetic: this.comparison.picture };
  }

  get view() {
    const { viewport, mode, content, original, heatMapCanvas, opacity, ruler } = this;
    return { viewport, mode, content, original, heatMapCanvas, opacity, ruler, look: this.windowBar.look };
  }

  showMode(mode = this.chosenMode) {
    const before = this.mode;
    const available = availableModes(this.content);
    this.chosenMode = mode;
    this.mode = shownMode(mode, available);
    this.viewBar.pressMode(this.mode, available);
    this.stage.arrange(this.mode, this.content);
    if ((before === "side") !== (this.mode === "side")) this.refit();
    this.draw();
  }

  // Drawing

  draw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.paint();
    });
  }

  paint() {
    const size = this.stage.size();
    if (!this.facts || !this.original || !size.width) return;
    if (!this.viewport) this.fitTo(size);
    this.isComplete = this.stage.paint(this.view);
    if (this.isComplete) this.stage.hidePreview();
    if (!this.isComplete || this.loadedItem !== this.item) return;
    const shown = [this.mode, this.comparison.picture?.name].filter(Boolean).join(" ");
    this.stage.announce(this.item, shown);
  }

  /** Whether all tiles in sight are drawn. */
  get isSettled() {
    return this.frame === null && this.isComplete;
  }

  // Viewport

  fitTo(size) {
    this.viewport = fit(this.facts, size);
    this.fittedScale = this.viewport.scale;
  }

  /** What filled a pane fills it again, now that panes have another size. */
  refit() {
    if (this.viewport?.scale === this.fittedScale) this.viewport = null;
  }

  fit() {
    this.moveTo(null);
  }

  zoomTo(scale) {
    if (this.viewport) this.moveTo(zoomTo(this.viewport, scale));
  }

  zoomBy(factor) {
    if (this.viewport) this.zoomTo(this.viewport.scale * factor);
  }

  zoomAround(pane, point, factor) {
    this.moveTo(zoomAround(this.viewport, pane, point, factor));
  }

  panBy(delta) {
    this.moveTo(pan(this.viewport, delta));
  }

  moveTo(viewport) {
    this.viewport = viewport;
    this.draw();
  }

  setRuler(ruler) {
    this.ruler = ruler;
    this.draw();
  }

  /** Shows what is known of an image pixel [column, row]. */
  showProbe(pixel) {
    const [x, y] = pixel;
    const isInside = this.facts && x >= 0 && y >= 0 && x < this.facts.width && y < this.facts.height;
    this.probe.textContent = isInside ? this.probeText(pixel) : "";
  }

  probeText(pixel) {
    const { facts, heatMap, original } = this;
    const synthetic = this.comparison.picture?.pyramid;
    return probeText(pixel, {
      image: facts,
      original: original.pixel(...pixel),
      synthetic: synthetic?.pixel(...correspondingPixel(pixel, facts, synthetic.facts)),
      heatMap,
      places: this.places,
      scale: this.viewport.scale,
    });
  }
}
