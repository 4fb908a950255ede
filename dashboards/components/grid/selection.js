/** The items selected for one verdict on several. */
export class Selection {
  constructor() {
    this.items = new Map(); // index -> item
  }

  get size() {
    return this.items.size;
  }

  has(index) {
    return this.items.has(index);
  }

  clear() {
    this.items.clear();
  }

  /** A row that is not here yet cannot be selected. */
  add(index, row) {
    if (row) this.items.set(index, row.item);
  }

  toggle(index, row) {
    if (!this.items.delete(index)) this.add(index, row);
  }

  /** @param rowAt - gives the row of an index. */
  addRange(from, to, rowAt) {
    for (let index = Math.min(from, to); index <= Math.max(from, to); index++) this.add(index, rowAt(index));
  }

  /** What a verdict is about: the selected items, or without any the one of `row`. */
  itemsOr(row) {
    if (this.size) return [...this.items.values()];
    return row ? [row.item] : [];
  }
}
