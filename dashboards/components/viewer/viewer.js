import { Changes } from "../shared/changes.js";
import { make } from "../shared/dom.js";
import { isOn } from "../shared/leaving.js";
import { Recent } from "../shared/recent.js";
import { requestJson, routeUrl } from "../shared/requests.js";
import { helpDialog, isTyping, listenForShortcuts } from "../shared/shortcuts.js";
import { StatusLine } from "../shared/status-line.js";
import { TaskQueue } from "../shared/task-queue.js";
import { CasePanel } from "./case-panel.js";
import { CaseQueue } from "./case-queue.js";
import { Comparison, normalChoices, syntheticChoices } from "./comparison.js";
import { availableModes, shownMode } from "./display-mode.js";
import { listenForGestures } from "./gestures.js";
import { groupChoices, ownSlices } from "./group-series.js";
import { fetchCase, fetchFacts, fetchHeatMap, fetchNormals } from "./item-requests.js";
import { MapBar } from "./map-bar.js";
import { MapView } from "./map-view.js";
import { edgeLetters } from "./orientation.js";
import { correspondingPixel } from "./other-picture.js";
import { Prefetch } from "./prefetch.js";
import { probeText } from "./probe.js";
import { RegionBar } from "./region-bar.js";
import { RegionPen } from "./region-pen.js";
import { Regions } from "./regions.js";
import { SidePanels } from "./side-panels.js";
import { SliceBar } from "./slice-bar.js";
import { Stage } from "./stage.js";
import { TilePyramid } from "./tile-pyramid.js";
import { TOOLS } from "./tools.js";
import { VerdictBar } from "./verdict-bar.js";
import { ViewBar } from "./view-bar.js";
import { GESTURES, viewerShortcuts } from "./viewer-shortcuts.js";
import { fit, pan, zoomAround, zoomTo } from "./viewport.js";
import { WindowBar } from "./window-bar.js";

export const PAGES = ["case"]; // where this view is, by the last part of the path
const PAN_STEP = 0.15; // of the pane
const SETTLED_AFTER = 500; // milliseconds without another item, before Python opens the page of this one

/** One case on the screen: its parts, and the state that they share. */
export class Viewer {
  constructor(root, { run, queue }) {
    Object.assign(this, { root, run });
    this.queue = new CaseQueue(run, queue);
    this.opened = new Set(); // items that were opened here: Python says them once more, later
    this.presses = new TaskQueue(); // one after the other: a verdict is about the item that the key before led to
    this.tileCache = new Map();
    this.facts = null;
    this.recent = {
      facts: new Recent((item) => fetchFacts(run, item)),
      heatMaps: new Recent((item, isKept) => fetchHeatMap(run, item, isKept)),
      cases: new Recent((item) => fetchCase(run, item)),
      normals: new Recent((item) => fetchNormals(run, item)),
    };
    this.viewport = null; // fitted at the next drawing
    this.chosenMode = "over";
    this.ruler = null;
    this.map = null; // the heat map as it is shown, null where there is none
    this.shift = 0; // slices, by which another series lies beside this one
    this.frame = null;
    this.build();
    this.takeTool("pan");
    this.showMode();
    this.listen();
  }

  /** What Python says: at the start, and again after each of its reruns. */
  update(data, trigger) {
    this.trigger = trigger;
    this.about = data.about;
    this.panel.open({ ...data.about, run: this.run });
    this.mapBar.open(data.about.threshold, data.about.places);
    if (data.item !== this.item && !this.opened.has(data.item)) this.open(data.item, data.group);
    this.verdictBar.update(data, trigger);
    this.showRegions();
    if (data.item !== this.item) return; // it is behind: it will say more
    this.group = data.group;
    this.synthetic = { item: data.item, pictures: data.synthetic };
    this.members = data.slices;
    this.slices.setSlices(ownSlices(data.slices, data.item));
    this.slices.showItem(data.item);
    if (this.loadedItem === this.item) this.offerOthers();
  }

  // Parts

  build() {
    this.status = new StatusLine();
    this.verdictBar = new VerdictBar(this.run, this.status, {
      currentItem: () => this.item,
      step: (by) => this.step(by),
      press: (action) => this.presses.add(action),
    });
    this.regions = new Regions({
      verdictBar: this.verdictBar,
      status: this.status,
      onChange: () => this.showRegions(),
    });
    this.regionBar = new RegionBar(this.regions);
    this.pen = new RegionPen(this.regions, viewOf(this));
    this.windowBar = new WindowBar(() => this.draw());
    this.slices = new SliceBar((item) => this.open(item, this.group));
    this.comparison = new Comparison({
      open: (query) => this.openOther(query),
      onChange: (mode) => this.showMode(mode),
      status: this.status,
    });
    this.panel = new CasePanel(this.run, (rank) => this.compareNormal(rank));
    this.mapBar = new MapBar(() => this.draw());
    this.viewBar = new ViewBar(this.viewActions(), this.comparison, this.verdictBar.permission);
    this.stage = new Stage(() => this.draw());
    this.prefetch = new Prefetch({
      ...this.recent,
      queue: this.queue,
      openPyramid: (query, facts) => this.openPyramid(query, facts),
      paneSize: () => this.stage.size(),
    });
    for (const pane of this.stage.panes) listenForGestures(this, pane);
    this.probe = make("div", { class: "probe", role: "status" });
    this.shortcuts = viewerShortcuts(this);
    this.help = helpDialog("Keys of the case view", [...this.shortcuts, ...GESTURES]);
    this.root.replaceChildren(this.layOut(), this.help, this.verdictBar.author.dialog);
    this.sidePanels = new SidePanels(this.panel.element, (areShown) => this.viewBar.pressPanel(areShown));
  }

  layOut() {
    const head = make(
      "div",
      { class: "head" },
      this.verdictBar.name,
      this.panel.figures,
      this.verdictBar.tags,
      this.status.element,
    );
    const under = [this.regionBar, this.slices, this.mapBar].map((bar) => bar.element);
    const bench = make("div", { class: "bench" }, this.stage.element, ...under, this.probe);
    const desk = make("div", { class: "desk" }, bench, this.panel.element);
    const bars = [this.verdictBar, this.viewBar, this.windowBar].map((bar) => bar.element);
    return make("div", { class: "case" }, head, ...bars, desk);
  }

  viewActions() {
    return {
      takeTool: (name) => this.takeTool(name),
      showMode: (mode) => this.showMode(mode),
      fit: () => this.fit(),
      zoomTo: (scale) => this.zoomTo(scale),
      togglePanel: () => this.togglePanel(),
      showHelp: () => this.showHelp(),
    };
  }

  listen() {
    const run = (action) => this.presses.add(action);
    const stopListening = listenForShortcuts(this.shortcuts, {
      isBlocked: (event) => this.isBlocked(event),
      run,
    });
    const changes = new Changes(this.run, (items) => this.verdictBar.learn(items ?? {}));
    this.unmount = () => {
      stopListening();
      changes.stop();
      this.stage.unmount();
      this.slices.stop();
      clearTimeout(this.settling);
    };
  }

  /** The panel scrolls by keys when it has the focus. */
  isBlocked(event) {
    if (this.help.open || this.verdictBar.author.isAsking) return true;
    const scrolls = event.composedPath()[0] === this.panel.element && /^(Arrow|Page)/.test(event.key);
    return scrolls || this.isForTool(event);
  }

  isForTool(event) {
    if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return false;
    const isTaken = Boolean(TOOLS[this.tool].press?.(this, event));
    if (isTaken) event.preventDefault();
    return isTaken;
  }

  togglePanel() {
    this.sidePanels.toggle();
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
    if (!isOn(PAGES)) return; // back or forward led to another page, whose address it is
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
    this.pen.drop();
    this.regions.show(item);
    this.verdictBar.showTags([]);
    this.comparison.clear();
    this.panel.clear();
    this.loadCase(item);
    const isKept = this.slices.current?.map ?? (row ?? this.queue.row(item))?.map;
    const heatMap = this.recent.heatMaps.get(item, isKept);
    heatMap.catch(() => {}); // it is said once the picture is there
    await this.loadOriginal(item);
    if (item === this.item) await this.loadHeatMap(item, heatMap);
    if (item !== this.item) return;
    this.loadMarks(item);
    this.loadedItem = item;
    this.offerOthers();
    await this.prefetch.around(item, () => item === this.item);
    this.loadNormals(item);
  }

  async loadCase(item) {
    try {
      const facts = await this.recent.cases.get(item);
      if (item === this.item) this.panel.show(facts);
    } catch (error) {
      if (item === this.item) this.status.showError(error.message);
    }
  }

  /** What people put on it, beside verdicts. */
  async loadMarks(item) {
    try {
      const { regions, tags } = await requestJson(routeUrl(this.run, "marks", { item }));
      this.regions.learn(item, regions);
      if (item === this.item) this.verdictBar.showTags(tags);
    } catch (error) {
      if (item === this.item) this.status.showError(`Regions and tags cannot be shown: ${error.message}`);
    }
  }

  async loadNormals(item) {
    try {
      const normals = await this.recent.normals.get(item);
      if (item !== this.item) return;
      this.panel.showNormals(normals);
      this.comparison.offer("normal", normalChoices(normals));
    } catch (error) {
      if (item === this.item) this.status.showError(error.message);
    }
  }

  async loadOriginal(item) {
    try {
      const facts = await this.recent.facts.get(item);
      if (item === this.item) this.showOriginal(item, facts);
    } catch (error) {
      if (item === this.item) this.showNoOriginal(error);
    }
  }

  showOriginal(item, facts) {
    if (this.facts?.width !== facts.width || this.facts?.height !== facts.height) this.viewport = null;
    this.facts = facts;
    this.map = null; // it belonged to the item before
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
    this.map = null;
    this.stage.showError(`The original cannot be shown: ${error.message}`);
  }

  async loadHeatMap(item, heatMap) {
    try {
      const loaded = await heatMap;
      if (item === this.item) await this.showHeatMap(item, loaded);
    } catch (error) {
      if (item === this.item) this.status.showError(`The map cannot be shown: ${error.message}`);
    }
  }

  async showHeatMap(item, heatMap) {
    this.map = heatMap && new MapView(heatMap, this.facts, this.mapBar);
    this.mapBar.setVisible(Boolean(heatMap));
    if (heatMap || !this.facts) return;
    const { no_map: because, error } = await this.recent.cases.get(item);
    if (!because && !error) throw new Error("it is no longer in the run"); // that must not look as if nothing were odd
    if (item === this.item) this.status.show(because ?? "");
  }

  openPyramid(query, facts) {
    return new TilePyramid(this.run, query, facts, {
      cache: this.tileCache,
      onTile: () => this.draw(),
      onError: (error) => this.status.showError(error.message),
    });
  }

  async openOther(query) {
    const url = routeUrl(this.run, "facts", query);
    const facts = query.synthetic ? await requestJson(url) : await this.recent.facts.get(query.item);
    return this.openPyramid(query, facts);
  }

  offerOthers() {
    const { item } = this;
    const isOfGroup = this.facts && this.members.some((member) => member.item === item);
    this.comparison.offer("group", isOfGroup ? groupChoices(this.members, item, this.shift) : []);
    const isKnown = this.facts && this.synthetic.item === item;
    this.comparison.offer("synthetic", isKnown ? syntheticChoices(item, this.synthetic.pictures) : []);
  }

  // What the original is compared with

  compareNormal(rank) {
    const key = `normal/${rank}`;
    this.comparison.compare(this.comparison.wanted === key ? "" : key, "side");
  }

  compareNext() {
    const [, rank] = /^normal\/(\d+)$/.exec(this.comparison.wanted) ?? [null, 0];
    const count = this.comparison.choices.normal.length;
    if (count) this.comparison.compare(`normal/${(Number(rank) % count) + 1}`, "side");
  }

  shiftOther(by) {
    this.shift += by;
    this.offerOthers();
  }

  // Display

  takeTool(name) {
    this.tool = name;
    this.pen.drop();
    this.viewBar.pressTool(name);
    this.showRegions();
  }

  showRegions() {
    this.regionBar.show(TOOLS[this.tool]?.help ?? "");
    this.draw();
  }

  /** What there is besides the original. */
  get content() {
    return { heatMap: this.map, other: this.comparison.picture };
  }

  get view() {
    const { viewport, mode, content, original, map, ruler } = this;
    const { drawing } = this.pen;
    return { viewport, mode, content, original, map, ruler, drawing, look: this.windowBar.look };
  }

  showMode(mode = this.chosenMode) {
    const before = this.mode;
    const available = availableModes(this.content);
    this.chosenMode = mode;
    this.mode = shownMode(mode, available);
    this.viewBar.pressMode(this.mode, available);
    this.stage.arrange(this.mode, this.content);
    this.panel.pressNormal(/^normal\/(\d+)$/.exec(this.comparison.picture?.key)?.[1] ?? null);
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

  /** By a part of the pane: what dragging does, for who has no pointer. */
  panStep(across, down) {
    const { width, height } = this.stage.size();
    if (this.viewport) this.panBy([-across * PAN_STEP * width, -down * PAN_STEP * height]);
  }

  goDown(by) {
    if (this.slices.hasSeveral) this.slices.step(by);
    else this.panStep(0, by);
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
    const { facts, map, original } = this;
    const other = this.comparison.picture;
    return probeText(pixel, {
      image: facts,
      original: original.pixel(...pixel),
      other: other?.pyramid.pixel(...correspondingPixel(pixel, facts, other)),
      otherName: other?.isSynthetic ? "synthetic" : "other",
      heatMap: map?.heatMap,
      places: this.about.places,
      scale: this.viewport.scale,
    });
  }
}

/** What a pen needs to know of what is shown. */
function viewOf(viewer) {
  return {
    get image() {
      return viewer.viewport && viewer.facts;
    },
    scale: () => viewer.viewport?.scale ?? 1,
  };
}
