import { make } from "../shared/dom.js";
import { makeCell } from "./cell.js";
import { cellBox, contentHeight, gridLayout, scrollToShow, showsText, visibleCells } from "./grid-layout.js";
import { PAGE } from "./row-pages.js";

const LOWEST = 340; // pixels
const SPACE_BELOW = 24;

/** The scrolling list, in which only the cells in sight exist. */
export class VirtualGrid {
  /**
   * @param rows - RowPages.
   * @param onClick - called with the index of a cell and the event; `onOpen` with the index of one that was double-clicked.
   * @param onDraw - called after cells were drawn, which then lack the marks of cursor and selection.
   */
  constructor(rows, tileSize, { thumbnails, status, onClick, onOpen, onDraw }) {
    Object.assign(this, { rows, tileSize, thumbnails, status, onClick, onOpen, onDraw });
    this.cells = new Map(); // index -> element
    this.space = make("div", { class: "space" });
    const attributes = { class: "grid", tabindex: 0, role: "listbox", "aria-multiselectable": "true" };
    this.element = make("div", { ...attributes, "aria-label": "Items of the run" }, this.space);
    this.element.addEventListener("scroll", () => this.draw(), { passive: true });
    this.observer = new ResizeObserver(() => this.arrange());
    this.observer.observe(this.element);
  }

  unmount() {
    this.observer.disconnect();
  }

  /** Lays everything out anew, down to the end of the window. */
  arrange() {
    const { top } = this.element.getBoundingClientRect();
    const height = `${Math.max(window.innerHeight - top - SPACE_BELOW, LOWEST)}px`;
    if (this.element.style.height !== height) this.element.style.height = height;
    this.layout = gridLayout(this.element.clientWidth, this.tileSize);
    this.space.style.height = `${contentHeight(this.layout, this.rows.count)}px`;
    this.redraw([...this.cells.keys()]);
  }

  draw() {
    const { first, end } = visibleCells(this.layout, this.element, this.rows.count);
    this.remove([...this.cells.keys()].filter((index) => index < first || index >= end));
    for (let page = Math.floor(first / PAGE); page * PAGE < end; page++) this.fetch(page);
    for (let index = end - 1; index >= first; index--) this.drawCell(index);
    this.drawEmpty();
    this.onDraw();
  }

  drawCell(index) {
    const row = this.rows.row(index);
    if (!row || this.cells.has(index)) return;
    const box = cellBox(this.layout, index);
    const cell = makeCell(index, row, { box, thumbnails: this.thumbnails, showsText: showsText(this.tileSize) });
    cell.addEventListener("click", (event) => this.onClick(index, event));
    cell.addEventListener("dblclick", () => this.onOpen(index));
    this.cells.set(index, cell);
    this.space.insertBefore(cell, this.cells.get(index + 1) ?? null); // in order, for who hears the page
  }

  drawEmpty() {
    this.empty?.remove();
    if (this.rows.count) return;
    const text = this.rows.all === 0 ? "This run holds no items yet." : "Nothing matches. Widen the filters above.";
    this.empty = make("div", { class: "empty", text });
    this.space.append(this.empty);
  }

  async fetch(page) {
    try {
      if (await this.rows.fetch(page)) this.draw();
    } catch (error) {
      this.status.showError(error.message);
    }
  }

  remove(indices) {
    for (const index of indices) {
      this.cells.get(index)?.remove();
      this.cells.delete(index);
    }
  }

  redraw(indices) {
    this.remove(indices);
    this.draw();
  }

  mark(current, selection) {
    for (const [index, cell] of this.cells) {
      cell.classList.toggle("current", index === current);
      cell.setAttribute("aria-selected", String(selection.has(index)));
    }
    this.element.setAttribute("aria-activedescendant", `cell-${current}`);
  }

  resize(tileSize) {
    this.tileSize = tileSize;
    this.arrange();
  }

  scrollTo(index) {
    const scrollTop = scrollToShow(this.layout, this.element, index);
    if (scrollTop !== this.element.scrollTop) this.element.scrollTop = scrollTop;
    this.draw();
  }

  focus() {
    this.element.focus({ preventScroll: true });
  }

  /** Shows a query from its start. */
  showFirst() {
    this.element.scrollTop = 0;
    this.arrange();
  }

  /** Says on the page how often a query was shown: tests wait for it. */
  announce() {
    this.element.dataset.ready = String((Number(this.element.dataset.ready) || 0) + 1);
  }
}
