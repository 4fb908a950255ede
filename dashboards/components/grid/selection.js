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

  /** A row that is not here yet cannot be selected by itself. */
  add(index, row) {
    if (row) this.items.set(index, row.item);
  }

  toggle(index, row) {
    if (!this.items.delete(index)) this.add(index, row);
  }

  /** @param items - names of what lies at `first` and behind. */
  addNames(first, items) {
    for (const [k, item] of items.entries()) this.items.set(first + k, item);
  }

  /** What a verdict is about: the selected items, or without any the one of `row`. */
  itemsOr(row) {
    if (this.size) return [...this.items.values()];
    return row ? [row.item] : [];
  }
}
