import { Author } from "../shared/author.js";
import { Changes } from "../shared/changes.js";
import { make } from "../shared/dom.js";
import { isOn } from "../shared/leaving.js";
import { clamp } from "../shared/numbers.js";
import { Permission } from "../shared/permission.js";
import { postJson, requestJson, routeUrl } from "../shared/requests.js";
import { helpDialog, listenForShortcuts } from "../shared/shortcuts.js";
import { StatusLine } from "../shared/status-line.js";
import { Tagger } from "../shared/tags.js";
import { TaskQueue } from "../shared/task-queue.js";
import { shortcutButton, toolbar } from "../shared/toolbar.js";
import { FilterBar } from "./filter-bar.js";
import { GESTURES, gridShortcuts } from "./grid-shortcuts.js";
import { RowPages } from "./row-pages.js";
import { Selection } from "./selection.js";
import { Thumbnails } from "./thumbnails.js";
import { Verdicts } from "./verdicts.js";
import { addressQuery, changedQuery, openedQuery } from "./view-query.js";
import { VirtualGrid } from "./virtual-grid.js";

export const PAGES = ["", "triage"]; // where this view is, by the last part of the path
const MANY = 200; // items, for a verdict on which one is asked again
const TILE_SIZE = 150;
const MAPS_KEY = "oddpixel-maps"; // in the browser's storage, as is
const TILE_SIZE_KEY = "oddpixel-tile"; // in the browser's storage

/** One queue on the screen: its parts, the view that it shows, and the cursor. */
export class Grid {
  constructor(root, { run, query, strata, views, author, named }) {
    Object.assign(this, { root, run, strata, views, initialQuery: query });
    const opened = openedQuery(query);
    this.query = opened.query;
    this.current = 0; // index of the item under the cursor
    this.rows = new RowPages(run);
    this.selection = new Selection();
    this.status = new StatusLine("span");
    this.permission = new Permission(this.status);
    this.list = this.buildList();
    const onChange = (indices) => this.list.redraw(indices);
    this.author = new Author((name) => this.trigger("named", { name }));
    const { permission, status } = this;
    this.tagger = new Tagger(run, { author: this.author, permission, status, ticket: () => this.ticket });
    this.verdicts = new Verdicts(run, { rows: this.rows, status: this.status, onChange });
    this.author.update({ author, named }); // before rows are asked for: what somebody reads blindly is not among them
    this.build();
    this.listen();
    this.open(opened.item);
  }

  /** What Python says: at the start, and again after each of its reruns. */
  update({ ticket, refusal, author, named }, trigger) {
    this.permission.update(refusal);
    Object.assign(this, { ticket, trigger });
    this.author.update({ author, named });
    this.verdicts.update({ ticket, author }, this.author);
  }

  // Parts

  build() {
    this.filterBar = this.buildFilterBar();
    this.shortcuts = gridShortcuts(this);
    this.help = helpDialog("Keys of the triage view", [...this.shortcuts, ...GESTURES]);
    this.root.replaceChildren(
      this.filterBar.element,
      this.buildVerdictBar(),
      this.list.element,
      this.help,
      this.author.dialog,
    );
  }

  toggleMaps() {
    this.thumbnails.withMaps = !this.thumbnails.withMaps;
    localStorage.setItem(MAPS_KEY, this.thumbnails.withMaps ? "1" : "");
    this.filterBar.pressMaps(this.thumbnails.withMaps);
    this.list.redraw([...this.list.cells.keys()]);
  }

  buildList() {
    this.thumbnails = new Thumbnails(this.run, (error) => this.status.showError(error.message));
    this.thumbnails.withMaps = localStorage.getItem(MAPS_KEY) === "1";
    const tileSize = Number(localStorage.getItem(TILE_SIZE_KEY)) || TILE_SIZE;
    return new VirtualGrid(this.rows, tileSize, {
      thumbnails: this.thumbnails,
      status: this.status,
      onClick: (index, event) => this.click(index, event),
      onOpen: (index) => this.openCase(index),
      onDraw: () => this.mark(),
    });
  }

  buildFilterBar() {
    const { strata, list } = this;
    const bar = new FilterBar(
      this.query,
      { strata, tileSize: list.tileSize, permission: this.permission },
      {
        change: (name, value) => this.change(name, value),
        resize: (size) => this.resize(size),
        openView: (query) => this.openView(query),
        saveView: () => this.saveView(),
        toggleMaps: () => this.toggleMaps(),
      },
    );
    bar.showViews(this.views);
    bar.pressMaps(this.thumbnails.withMaps);
    return bar;
  }

  buildVerdictBar() {
    const ofReaders = [
      shortcutButton("O", "Odd", "Verdict: odd", () => this.decide("odd")),
      shortcutButton("N", "Normal", "Verdict: normal", () => this.decide("normal")),
      shortcutButton("U", "Unsure", "Verdict: unsure", () => this.decide("unsure")),
      shortcutButton("Z", "Undo", "Undo: take back the last verdict", () => this.undo()),
      shortcutButton("T", "Tag", "Tag what is selected", () => this.tag()),
    ];
    return toolbar(
      "Verdict on what is selected",
      ...ofReaders.map((control) => this.permission.guard(control)),
      shortcutButton(".", "Next undecided", "Next undecided item", () => this.goToUndecided()),
      shortcutButton("↵", "Open", "Open the case", () => this.openCase()),
      shortcutButton("?", "Keys", "Keys: keyboard help", () => this.showHelp()),
      this.permission.element,
      make("span", { class: "gap" }),
      this.status.element,
    );
  }

  listen() {
    // One after the other: what is pressed after "next undecided" is about the item that it leads to.
    const presses = new TaskQueue();
    const run = (action) => presses.add(action);
    const stopListening = listenForShortcuts(this.shortcuts, { isBlocked: (event) => this.isBlocked(event), run });
    this.presses = presses;
    const changes = new Changes(this.run, (items) => (items ? this.verdicts.learn(items) : this.refresh()));
    this.unmount = () => {
      stopListening();
      changes.stop();
      this.list.unmount();
    };
  }

  /** Enter presses the button that has the focus. */
  isBlocked(event) {
    return (
      this.help.open || this.author.isAsking || (event.key === "Enter" && event.composedPath()[0].tagName === "BUTTON")
    );
  }

  showHelp() {
    this.help.showModal();
  }

  // The view

  async open(item) {
    await this.load();
    if (!item) return;
    const index = await this.findPlace({ of: item });
    if (index === null) this.status.showError(`${item} is not among what this view shows`);
    else if (index !== undefined) this.goTo(index);
  }

  /** The place in the queue that the table knows; null where there is none, undefined where it cannot say. */
  async findPlace(which) {
    try {
      return (await requestJson(routeUrl(this.run, "place", { ...Object.fromEntries(this.query), ...which }))).place;
    } catch (error) {
      this.status.showError(error.message);
      return undefined;
    }
  }

  async load() {
    this.selection.clear();
    try {
      const isLatest = await this.rows.open(Object.fromEntries(this.query));
      if (!isLatest) return;
      this.filterBar.showTags(this.rows.tags);
      this.showTally();
    } catch (error) {
      this.status.showError(error.message);
    }
    this.current = 0;
    this.list.showFirst();
    this.updateAddress();
    this.list.announce();
  }

  /** Reads the rows anew; cursor and selection stay where they are. */
  async refresh() {
    try {
      if (await this.rows.open(Object.fromEntries(this.query))) this.list.redraw([...this.list.cells.keys()]);
    } catch (error) {
      this.status.showError(error.message);
    }
  }

  change(name, value) {
    this.query = changedQuery(this.query, name, value);
    this.filterBar.showQuery(this.query);
    return this.load();
  }

  openView(query) {
    this.query = new URLSearchParams(query);
    const bar = this.buildFilterBar();
    this.filterBar.element.replaceWith(bar.element);
    this.filterBar = bar;
    return this.load();
  }

  async saveView() {
    const name = prompt("A name for this view (sort, filters, threshold):");
    if (!name) return;
    try {
      const content = { name, query: this.query.toString() };
      this.views = (await postJson("/oddpixel/views", this.ticket, content)).views;
      this.filterBar.showViews(this.views);
      this.status.show(`Saved as ${name}.`);
    } catch (error) {
      this.status.showError(error.message);
    }
  }

  updateAddress() {
    if (!isOn(PAGES)) return; // back or forward led to another page, whose address it is
    const item = this.current > 0 ? (this.rows.row(this.current)?.item ?? null) : null;
    history.replaceState(history.state, "", `${location.pathname}?${addressQuery(this.run, this.query, item)}`);
  }

  showTally() {
    const { count, all, undecided } = this.rows;
    const shown = count === all ? `${count} items` : `${count} of ${all} items`;
    const selected = this.selection.size > 1 ? `; ${this.selection.size} selected` : "";
    this.status.show(`${shown}, ${undecided} without a verdict${selected}`);
  }

  // The cursor

  resize(tileSize) {
    localStorage.setItem(TILE_SIZE_KEY, tileSize);
    this.list.resize(tileSize);
    this.list.scrollTo(this.current);
  }

  mark() {
    this.list.mark(this.current, this.selection);
  }

  goTo(index) {
    if (!this.rows.count) return;
    this.current = clamp(index, 0, this.rows.count - 1);
    this.list.scrollTo(this.current);
    this.updateAddress();
  }

  // Selection and verdicts

  click(index, event) {
    const anchor = this.current;
    if (event.shiftKey) this.presses.add(() => this.selectRange(index, anchor));
    else if (event.ctrlKey || event.metaKey) this.selection.toggle(index, this.rows.row(index));
    else this.selection.clear();
    this.list.focus();
    this.goTo(index);
    this.showTally();
  }

  toggleSelected() {
    this.selection.toggle(this.current, this.rows.row(this.current));
    this.showSelection();
  }

  /** All between two places, whether they have been in sight or not. */
  async selectRange(from, to) {
    const [first, last] = [Math.min(from, to), Math.max(from, to)];
    try {
      this.selection.addNames(first, await this.rows.names(first, last - first + 1));
    } catch (error) {
      this.status.showError(`Nothing was selected: ${error.message}`);
      return;
    }
    this.showSelection();
  }

  selectAll() {
    return this.selectRange(0, this.rows.count - 1);
  }

  clearSelection() {
    this.selection.clear();
    this.showSelection();
  }

  showSelection() {
    this.showTally();
    this.mark();
  }

  async decide(decision) {
    if (!this.permission.isGiven()) return undefined;
    const items = this.selection.itemsOr(this.rows.row(this.current));
    if (!items.length) return this.status.show("Nothing was decided: the view is still loading, or empty.");
    if (items.length > MANY && !confirm(`${decision}: ${items.length} items?`)) return undefined;
    if (!(await this.author.known())) return this.status.show("Nothing was decided: verdicts need a name.");
    this.verdicts.decide(items, decision);
    if (this.selection.size) this.selection.clear();
    else if (this.current + 1 < this.rows.count) this.goTo(this.current + 1);
    this.mark();
    return undefined;
  }

  async tag() {
    const said = await this.tagger.ask(this.selection.itemsOr(this.rows.row(this.current)));
    if (!said) return;
    this.list.redraw(this.rows.setTags(said.items));
    this.filterBar.showTags(said.tags);
  }

  undo() {
    if (!this.permission.isGiven()) return;
    const item = this.verdicts.undo();
    if (item !== undefined) this.goToItem(item);
  }

  goToItem(item) {
    const index = this.rows.indexOf(item);
    if (index !== undefined) this.goTo(index);
  }

  async goToUndecided() {
    await this.verdicts.settled(); // what was just decided is no longer undecided
    const index = await this.findPlace({ next: 1, after: this.current });
    if (index === null) this.status.show("Every item of this view has a verdict.");
    else if (index !== undefined) this.goTo(index);
  }

  openCase(index = this.current) {
    const row = this.rows.row(index);
    if (row) this.trigger("open", { item: row.item, query: this.query.toString() });
  }
}
