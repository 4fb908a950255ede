// The triage queue: a virtual grid. Only the cells in sight exist; rows come in pages from the run's table, which sorts and
// filters; decisions go straight to the store. The address bar always holds the view, so it can be sent to somebody.
const PAGE = 100;

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".odd");
  if (root.grid && root.grid.run === data.run && root.grid.start === data.query) {
    root.grid.ticket = data.ticket;
    root.grid.tell = setTriggerValue;
    return root.grid.leave;
  }
  root.grid?.leave();
  root.grid = new Grid(root, data, setTriggerValue);
  return root.grid.leave;
}

class Grid {
  constructor(root, data, tell) {
    Object.assign(this, { root, run: data.run, ticket: data.ticket, strata: data.strata, views: data.views, tell, start: data.query });
    this.query = new URLSearchParams(data.query);
    this.item = this.query.get("item");
    this.query.delete("item");
    this.query.delete("run");
    this.size = Number(localStorage.getItem("oddpixel-tile")) || 150;
    this.pages = new Map();
    this.cells = new Map();
    this.chosen = new Map(); // place -> item
    this.current = 0;
    this.count = 0;
    this.undone = [];
    this.pictures = new Map(); // thumbnail -> address of its blob
    this.wanted = new Map(); // thumbnail -> images that wait for it
    this.build();
    this.onKey = (event) => this.key(event);
    document.addEventListener("keydown", this.onKey);
    this.observer = new ResizeObserver(() => this.layout());
    this.observer.observe(this.grid);
    this.leave = () => {
      document.removeEventListener("keydown", this.onKey);
      this.observer.disconnect();
    };
    this.begin();
  }

  // What is on the screen

  build() {
    const choose = (name, label, options) => {
      const select = make("select", { "aria-label": label, "data-name": name, onchange: () => this.change(name, select.value) });
      for (const [value, text] of options) select.append(make("option", { value, text }));
      select.value = this.query.get(name) ?? options[0][0];
      return make("label", {}, label, select);
    };
    this.sort = choose("sort", "Sort", [["raw", "oddness"], ["p_value", "p"], ["q_value", "q"], ["item", "name"], ["group", "group"], ["", "input order"], ["decision", "verdict"], ["width", "width"]]);
    this.up = make("button", { "aria-label": "Sort direction", onclick: () => this.change("up", this.query.get("up") === "1" ? "" : "1") });
    this.find = make("input", { type: "search", placeholder: "name contains …", "aria-label": "Find by name", maxlength: 300, oninput: () => this.later("find", this.find.value) });
    this.find.value = this.query.get("find") ?? "";
    this.p = make("input", { type: "number", class: "p", min: 0, max: 1, step: "any", placeholder: "1", "aria-label": "p at most", oninput: () => this.later("p", this.p.value) });
    this.p.value = this.query.get("p") ?? "";
    this.saved = make("select", { "aria-label": "Saved views", onchange: () => this.saved.value && this.open(this.saved.value) });
    this.tile = make("input", { type: "range", min: 56, max: 320, step: 8, value: this.size, "aria-label": "Tile size", oninput: () => this.resize(Number(this.tile.value)) });
    const bar = make("div", { class: "bar", role: "toolbar", "aria-label": "Sort and filter" },
      this.sort, this.up,
      choose("show", "Show", [["all", "all"], ["flagged", "flagged"], ["unflagged", "not flagged"], ["errors", "errors"]]),
      choose("decision", "Verdict", [["all", "any"], ["undecided", "none yet"], ["decided", "decided"], ["odd", "odd"], ["normal", "normal"], ["unsure", "unsure"]]),
      make("label", {}, "p ≤", this.p), this.find);
    if (this.strata.length > 1) bar.append(choose("stratum", "Stratum", [["", "all"], ...this.strata.map((each) => [each, each])]));
    bar.append(make("span", { class: "gap" }), make("label", {}, "Size", this.tile), make("label", {}, "View", this.saved), make("button", { text: "Save view", onclick: () => this.saveView() }));
    const act = (key, text, label, action) => make("button", { "aria-label": label, onclick: action }, text, make("kbd", { text: key }));
    const actions = make("div", { class: "bar", role: "toolbar", "aria-label": "Verdict on what is selected" },
      act("O", "Odd", "Verdict: odd", () => this.decide("odd")), act("N", "Normal", "Verdict: normal", () => this.decide("normal")),
      act("U", "Unsure", "Verdict: unsure", () => this.decide("unsure")), act("Z", "Undo", "Take back the last verdict", () => this.undo()),
      act(".", "Next undecided", "Next undecided item", () => this.next()), act("↵", "Open", "Open the case", () => this.openCase()), act("?", "Keys", "Keyboard help", () => this.help.showModal()),
      make("span", { class: "gap" }));
    this.said = make("span", { class: "said", role: "status", "aria-live": "polite" });
    actions.append(this.said);
    this.space = make("div", { class: "space" });
    this.grid = make("div", { class: "grid", tabindex: 0, role: "listbox", "aria-multiselectable": "true", "aria-label": "Items of the run" }, this.space);
    this.grid.addEventListener("scroll", () => this.draw(), { passive: true });
    this.help = helpDialog([...this.keys(), ["Ctrl+click, Shift+click", null, "add to the selection, or select a range"]], "Keys of the triage view");
    this.root.replaceChildren(bar, actions, this.grid, this.help);
    this.listViews();
    this.showDirection();
  }

  listViews() {
    this.saved.replaceChildren(make("option", { value: "", text: Object.keys(this.views).length ? "choose …" : "none saved" }));
    for (const [name, query] of Object.entries(this.views)) this.saved.append(make("option", { value: query, text: name }));
  }

  showDirection() {
    const up = this.query.get("up") === "1";
    this.up.textContent = up ? "↑" : "↓";
    this.up.title = up ? "smallest first" : "largest first";
  }

  say(text, wrong = false) {
    this.said.textContent = text;
    this.said.classList.toggle("wrong", wrong);
  }

  // Asking

  async begin() {
    await this.load();
    if (this.item) {
      const { place } = await (await ask(address(this.run, "place", { ...this.asked(), of: this.item }))).json();
      if (place !== null) this.go(place);
      else this.say(`${this.item} is not among what this view shows`, true);
    }
  }

  asked() {
    return Object.fromEntries(this.query);
  }

  async load() {
    const asked = (this.generation = Symbol());
    this.pages.clear();
    this.chosen.clear();
    try {
      const answer = await (await ask(address(this.run, "rows", { ...this.asked(), offset: 0, limit: PAGE, count: 1 }))).json();
      if (asked !== this.generation) return;
      this.pages.set(0, answer.rows);
      this.count = answer.count;
      this.all = answer.all;
      this.undecided = answer.undecided;
      this.tally();
    } catch (error) {
      this.count = 0;
      this.say(error.message, true);
    }
    this.current = 0;
    this.grid.scrollTop = 0;
    this.clear();
    this.layout();
    this.link();
    this.grid.dataset.ready = String((Number(this.grid.dataset.ready) || 0) + 1);
  }

  tally() {
    const shown = this.count === this.all ? `${this.count} items` : `${this.count} of ${this.all} items`;
    this.say(`${shown}, ${this.undecided} without a verdict${this.chosen.size > 1 ? `; ${this.chosen.size} selected` : ""}`);
  }

  async page(index) {
    if (!this.pages.has(index)) {
      const asked = this.generation;
      this.pages.set(index, null);
      try {
        const answer = await (await ask(address(this.run, "rows", { ...this.asked(), offset: index * PAGE, limit: PAGE }))).json();
        if (asked !== this.generation) return;
        this.pages.set(index, answer.rows);
        this.draw();
      } catch (error) {
        this.pages.delete(index);
        this.say(error.message, true);
      }
    }
  }

  row(place) {
    return this.pages.get(Math.floor(place / PAGE))?.[place % PAGE] ?? null;
  }

  change(name, value) {
    if (value) this.query.set(name, value);
    else if (name === "sort") this.query.set(name, "");
    else this.query.delete(name);
    this.showDirection();
    return this.load();
  }

  later(name, value) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.change(name, value), 180);
  }

  link() {
    const query = new URLSearchParams({ run: this.run, ...this.asked() });
    const row = this.row(this.current);
    if (row && this.current > 0) query.set("item", row.item);
    history.replaceState(history.state, "", `${location.pathname}?${query}`);
  }

  // Cells

  layout() {
    // Down to the end of the window, wherever the toolbars end.
    const high = `${Math.max(window.innerHeight - this.grid.getBoundingClientRect().top - 24, 340)}px`;
    if (this.grid.style.height !== high) this.grid.style.height = high;
    const width = this.grid.clientWidth - 8;
    this.columns = Math.max(Math.floor(width / this.size), 1);
    this.wide = Math.floor(width / this.columns);
    this.high = Math.round(this.wide + (this.size < 90 ? 0 : 42));
    // Browsers lose precision beyond some ten million pixels; then rows of the scroll bar stand for several.
    this.space.style.height = `${Math.ceil(this.count / this.columns) * this.high + 8}px`;
    this.clear();
    this.draw();
  }

  resize(size) {
    const kept = this.current;
    this.size = size;
    localStorage.setItem("oddpixel-tile", size);
    this.layout();
    this.show(kept);
  }

  clear() {
    for (const cell of this.cells.values()) cell.remove();
    this.cells.clear();
  }

  draw() {
    const first = Math.max(Math.floor(this.grid.scrollTop / this.high) - 1, 0) * this.columns;
    const last = Math.min((Math.ceil((this.grid.scrollTop + this.grid.clientHeight) / this.high) + 1) * this.columns, this.count);
    for (const [place, cell] of this.cells) {
      if (place < first || place >= last) {
        cell.remove();
        this.cells.delete(place);
      }
    }
    if (this.count) for (let index = Math.floor(first / PAGE); index <= Math.floor(Math.max(last - 1, 0) / PAGE); index++) this.page(index);
    for (let place = first; place < last; place++) {
      const row = this.row(place);
      if (!this.cells.has(place) && row) {
        const cell = this.cell(place, row);
        this.cells.set(place, cell);
        this.space.append(cell);
      }
    }
    this.empty?.remove();
    if (this.count === 0) {
      this.empty = make("div", { class: "empty", text: this.all === 0 ? "This run holds no items yet." : "Nothing matches. Widen the filters above." });
      this.space.append(this.empty);
    }
    this.mark();
  }

  cell(place, row) {
    const left = (place % this.columns) * this.wide + 4;
    const top = Math.floor(place / this.columns) * this.high + 4;
    const cell = make("div", { class: "cell", role: "option", id: `cell-${place}`, style: `left:${left}px;top:${top}px;width:${this.wide - 6}px;height:${this.high - 6}px` });
    const picture = make("div", { class: "picture" });
    if (row.thumbnail) picture.append(this.image(row.thumbnail));
    else picture.textContent = row.error ?? "no picture is kept of it";
    if (row.decision) picture.append(make("span", { class: `chip ${row.decision}-said`, text: row.decision }));
    cell.append(picture);
    if (this.size >= 90) {
      const line = make("div", { class: "line" }, make("span", { class: "p", text: row.error ? "error" : row.p_value === null ? "" : `p ${number(row.p_value, 2)}` }));
      if (row.flagged) line.append(make("span", { class: "chip flagged", text: "flagged" }));
      // An isolated name: one written from right to left must not turn its surroundings.
      cell.append(line, make("div", { class: "line" }, make("span", { class: "name" }, make("bdi", { dir: "ltr", text: row.item }))));
    }
    cell.title = [row.item, row.because, row.error].filter(Boolean).join("\n");
    cell.setAttribute("aria-label", [row.item, row.error ? "not readable" : `p ${number(row.p_value, 2)}`, row.flagged ? "flagged" : "", row.decision ?? "no verdict"].filter(Boolean).join(", "));
    cell.addEventListener("click", (event) => this.click(place, event));
    cell.addEventListener("dblclick", () => this.openCase(place));
    return cell;
  }

  // Pictures come in one request for all cells that were made together, and are kept.

  image(name) {
    const image = make("img", { alt: "", draggable: "false" });
    const known = this.pictures.get(name);
    if (known) image.src = known;
    else {
      if (!this.wanted.size) queueMicrotask(() => this.fetchPictures());
      this.wanted.set(name, [...(this.wanted.get(name) ?? []), image]);
    }
    return image;
  }

  async fetchPictures() {
    const wanted = this.wanted;
    this.wanted = new Map();
    const names = [...wanted.keys()];
    for (let from = 0; from < names.length; from += PAGE) {
      const some = names.slice(from, from + PAGE);
      try {
        const content = await (await ask(address(this.run, "thumbnails", { names: some.join(",") }))).arrayBuffer();
        const [size] = new Uint32Array(content, 0, 1);
        const lengths = JSON.parse(new TextDecoder().decode(new Uint8Array(content, 4, size)));
        let place = 4 + size;
        for (const [k, name] of some.entries()) {
          const picture = URL.createObjectURL(new Blob([content.slice(place, place + lengths[k])], { type: "image/webp" }));
          place += lengths[k];
          if (this.pictures.size > 4000) this.forget();
          this.pictures.set(name, picture);
          for (const image of wanted.get(name)) image.src = picture;
        }
      } catch (error) {
        this.say(error.message, true);
      }
    }
  }

  forget() {
    for (const [name, picture] of [...this.pictures].slice(0, 2000)) {
      URL.revokeObjectURL(picture);
      this.pictures.delete(name);
    }
  }

  mark() {
    for (const [place, cell] of this.cells) {
      cell.classList.toggle("current", place === this.current);
      cell.setAttribute("aria-selected", String(this.chosen.has(place)));
    }
    this.grid.setAttribute("aria-activedescendant", `cell-${this.current}`);
  }

  show(place) {
    const top = Math.floor(place / this.columns) * this.high;
    if (top < this.grid.scrollTop) this.grid.scrollTop = top;
    else if (top + this.high + 8 > this.grid.scrollTop + this.grid.clientHeight) this.grid.scrollTop = top + this.high + 8 - this.grid.clientHeight;
    this.draw();
  }

  go(place) {
    if (this.count === 0) return;
    this.current = Math.min(Math.max(place, 0), this.count - 1);
    this.show(this.current);
    this.link();
  }

  // Choosing and deciding

  click(place, event) {
    if (event.shiftKey) {
      for (let each = Math.min(place, this.current); each <= Math.max(place, this.current); each++) if (this.row(each)) this.chosen.set(each, this.row(each).item);
    } else if (event.ctrlKey || event.metaKey) {
      if (!this.chosen.delete(place)) this.chosen.set(place, this.row(place).item);
    } else this.chosen.clear();
    this.grid.focus({ preventScroll: true });
    this.go(place);
    this.tally();
  }

  chosenItems() {
    if (this.chosen.size) return [...this.chosen.values()];
    const row = this.row(this.current);
    return row ? [row.item] : [];
  }

  // What was pressed is shown at once and sent in that order: whoever types fast decides on what was under the mark.

  decide(decision) {
    const items = this.chosenItems();
    if (!items.length) return;
    const before = new Map([...this.places()].filter(([, row]) => items.includes(row.item)).map(([, row]) => [row.item, row.decision]));
    this.noted(items, decision);
    this.undone.push(items);
    if (this.chosen.size) this.chosen.clear();
    else if (this.current + 1 < this.count) this.go(this.current + 1);
    this.mark();
    this.inTurn(async () => {
      try {
        await send(address(this.run, "decide"), this.ticket, { items, decision });
        this.say(`${items.length === 1 ? items[0] : `${items.length} items`}: ${decision}`);
      } catch (error) {
        for (const [item, was] of before) this.noted([item], was);
        this.undone = this.undone.filter((each) => each !== items);
        this.say(`Not saved: ${error.message}`, true);
      }
    });
  }

  undo() {
    const items = this.undone.pop();
    if (!items) return this.say("There is nothing of yours here to take back.");
    this.inTurn(async () => {
      try {
        const { undone } = await send(address(this.run, "undo"), this.ticket, { items });
        for (const [item, decision] of Object.entries(undone)) this.noted([item], decision === "undecided" ? null : decision);
        this.say(`${items.length === 1 ? items[0] : `${items.length} items`}: taken back`);
        const place = [...this.places()].find(([, row]) => row.item === items[0])?.[0];
        if (place !== undefined) this.go(place);
      } catch (error) {
        this.undone.push(items);
        this.say(`Not taken back: ${error.message}`, true);
      }
    });
  }

  inTurn(task) {
    this.turn = (this.turn ?? Promise.resolve()).then(task);
  }

  *places() {
    for (const [index, rows] of this.pages) if (rows) for (const [offset, row] of rows.entries()) yield [index * PAGE + offset, row];
  }

  noted(items, decision) {
    const of = new Set(items);
    for (const [place, row] of this.places()) {
      if (of.has(row.item)) {
        this.undecided += (decision === null ? 1 : 0) - (row.decision === null ? 1 : 0);
        row.decision = decision;
        this.cells.get(place)?.remove();
        this.cells.delete(place);
      }
    }
    this.draw();
  }

  async next() {
    await this.turn; // what was just decided is no longer undecided
    const { place } = await (await ask(address(this.run, "place", { ...this.asked(), next: 1, after: this.current }))).json();
    if (place === null) return this.say("Every item of this view has a verdict.");
    this.go(place);
  }

  openCase(place = this.current) {
    const row = this.row(place);
    if (row) this.tell("open", { item: row.item, query: this.query.toString() });
  }

  async saveView() {
    const name = prompt("A name for this view (sort, filters, threshold):");
    if (!name) return;
    try {
      this.views = (await send("/oddpixel/views", this.ticket, { name, query: this.query.toString() })).views;
      this.listViews();
      this.say(`Saved as ${name}.`);
    } catch (error) {
      this.say(error.message, true);
    }
  }

  open(query) {
    this.query = new URLSearchParams(query);
    this.build();
    this.observer.observe(this.grid);
    return this.load();
  }

  keys() {
    return [
      ["O", () => this.decide("odd"), "verdict: odd"],
      ["N", () => this.decide("normal"), "verdict: normal"],
      ["U", () => this.decide("unsure"), "verdict: unsure"],
      ["Z", () => this.undo(), "take back your last verdict"],
      [".", () => this.next(), "next item without a verdict"],
      ["Enter", () => this.openCase(), "open the case"],
      ["X", () => (this.chosen.delete(this.current) || this.chosen.set(this.current, this.row(this.current)?.item), this.tally(), this.mark()), "select, for a verdict on several"],
      ["A", () => (this.cells.forEach((_, place) => this.chosen.set(place, this.row(place).item)), this.tally(), this.mark()), "select everything in sight"],
      ["Escape", () => (this.chosen.clear(), this.tally(), this.mark()), "clear the selection"],
      ["ArrowRight", () => this.go(this.current + 1), "next"],
      ["ArrowLeft", () => this.go(this.current - 1), "before"],
      ["ArrowDown", () => this.go(this.current + this.columns), "a row down"],
      ["ArrowUp", () => this.go(this.current - this.columns), "a row up"],
      ["Home", () => this.go(0), "first"],
      ["End", () => this.go(this.count - 1), "last"],
      ["/", () => this.find.focus(), "find by name"],
      ["?", () => this.help.showModal(), "these keys"],
    ];
  }

  key(event) {
    if (typing(event) || event.ctrlKey || event.metaKey || event.altKey || this.help.open) return;
    if (event.key === "Enter" && event.composedPath()[0].tagName === "BUTTON") return;
    const found = this.keys().find(([key]) => key.toLowerCase() === event.key.toLowerCase());
    if (!found) return;
    event.preventDefault();
    // One after the other: what follows "next undecided" is about the item found.
    this.pressed = (this.pressed ?? Promise.resolve()).then(found[1]);
  }
}
