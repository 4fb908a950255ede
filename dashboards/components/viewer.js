// The case: deep zoom by tiles down to single pixels, map over it on an absolute scale, side by side or behind a curtain; a synthetic
// picture of it beside it, behind the curtain or as a difference; window and level for scanner values, slices, ruler, probe. All of it here in the browser: no step asks the server again
// for what it has sent.
const BRIGHTEST = 4; // evidence: one place in ten thousand, or rarer
const GAIN = 4; // of a difference: a power of two
const STEP = 0.02; // of the curtain, by key
const PRESETS = { HU: { "soft tissue": [40, 400], lung: [-600, 1500], bone: [300, 1500], brain: [40, 80] } };
// Inferno at nine places (Smith and van der Walt, CC0).
const COLOURS = [[0, 0, 4], [31, 12, 72], [85, 15, 109], [136, 34, 106], [186, 54, 85], [227, 89, 51], [249, 140, 10], [249, 201, 50], [252, 255, 164]];

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".odd");
  if (root.viewer?.run === data.run && root.viewer.group === data.group) {
    root.viewer.told(data, setTriggerValue);
    return root.viewer.leave;
  }
  root.viewer?.leave();
  root.viewer = new Viewer(root, data, setTriggerValue);
  return root.viewer.leave;
}

class Viewer {
  constructor(root, data, tell) {
    Object.assign(this, { root, run: data.run, group: data.group, tiles: new Map() });
    this.view = null;
    this.tool = "pan";
    this.mode = "over";
    this.opacity = 0.6;
    this.curtainAt = 0.5;
    this.synthetic = { item: null, pictures: [] };
    this.beside = null; // a synthetic picture; null for the map
    this.ruler = null;
    this.build();
    this.onKey = (event) => this.key(event);
    document.addEventListener("keydown", this.onKey);
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.stage);
    this.leave = () => {
      document.removeEventListener("keydown", this.onKey);
      this.observer.disconnect();
      clearTimeout(this.cine);
    };
    this.told(data, tell);
  }

  // What Python says: at the start, and again after each of its reruns

  told(data, tell) {
    Object.assign(this, { ticket: data.ticket, queue: data.queue, threshold: data.threshold, slices: data.slices, tell });
    this.standing.textContent = data.decision ?? "no verdict";
    this.standing.className = `standing ${data.decision ? `chip ${data.decision}-said` : ""}`;
    this.slider.max = Math.max(this.slices.length - 1, 0);
    this.sliceBar.style.display = this.slices.length > 1 ? "" : "none";
    this.synthetic = { item: data.item, pictures: data.synthetic };
    if (data.item !== this.item) this.load(data.item);
    else if (this.complete === this.item) this.offer();
  }

  build() {
    const tools = [["pan", "Pan", "P"], ["window", "Window", "W"], ["ruler", "Ruler", "M"]].map(([name, text, key]) =>
      make("button", { "data-tool": name, "aria-pressed": "false", "aria-label": `Tool: ${text}`, onclick: () => this.take(name) }, text, make("kbd", { text: key })));
    const modes = [["over", "Overlay", "V"], ["curtain", "Curtain", "C"], ["side", "Side by side", "B"], ["difference", "Difference", "D"], ["plain", "No map", "H"]].map(([name, text, key]) =>
      make("button", { "data-mode": name, "aria-pressed": "false", "aria-label": `Map: ${text}`, onclick: () => this.show(name) }, text, make("kbd", { text: key })));
    this.slide = make("input", { type: "range", min: 0, max: 1, step: 0.01, value: this.opacity, "aria-label": "Opacity of the map", oninput: () => ((this.opacity = Number(this.slide.value)), this.draw()) });
    this.choice = make("select", { "aria-label": "Compare with", onchange: () => this.compare(this.choice.value) });
    this.compared = make("label", {}, "Compare with", this.choice);
    const legend = make("span", { class: "scale", role: "img", "aria-label": "Colours of the map: left ordinary, right one place in ten thousand or rarer", title: "left: ordinary; right: one place in 10,000 or rarer, in every image alike", style: `background:linear-gradient(90deg,${COLOURS.map((c) => `rgb(${c})`)})` });
    this.first = make("div", { class: "bar", role: "toolbar", "aria-label": "View" }, ...tools, ...modes, this.compared, make("label", {}, "Opacity", this.slide, legend),
      make("button", { "aria-label": "Fit to window", onclick: () => this.fit() }, "Fit", make("kbd", { text: "F" })), make("button", { "aria-label": "One pixel a pixel", onclick: () => this.zoomTo(1) }, "1:1", make("kbd", { text: "1" })),
      make("button", { "aria-label": "Keyboard help", onclick: () => this.help.showModal() }, "Keys", make("kbd", { text: "?" })));
    this.low = make("input", { type: "number", step: "any", "aria-label": "Window centre", onchange: () => this.typedWindow() });
    this.wide = make("input", { type: "number", step: "any", "aria-label": "Window width", onchange: () => this.typedWindow() });
    this.preset = make("select", { "aria-label": "Window preset", onchange: () => this.usePreset(this.preset.value) });
    this.invert = make("button", { "aria-pressed": "false", "aria-label": "Invert", onclick: () => this.flip() }, "Invert", make("kbd", { text: "I" }));
    this.levels = make("div", { class: "bar", role: "toolbar", "aria-label": "Window and level" }, make("label", {}, "Centre", this.low), make("label", {}, "Width", this.wide), make("label", {}, "Preset", this.preset), this.invert);
    this.slider = make("input", { type: "range", min: 0, max: 0, step: 1, value: 0, "aria-label": "Slice", style: "flex:1", oninput: () => this.slice(Number(this.slider.value)) });
    this.sliceText = make("span");
    this.sliceBar = make("div", { class: "bar" }, make("label", { style: "flex:1" }, "Slice", this.slider), this.sliceText, make("button", { "aria-label": "Play the slices", onclick: () => this.play() }, "Play"));
    this.panes = [this.pane("original"), this.pane("map")];
    this.curtain = make("div", { class: "curtain", role: "separator", tabindex: 0, "aria-orientation": "vertical", "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": "Curtain: the original on its left" });
    this.curtain.addEventListener("pointerdown", (event) => this.dragCurtain(event));
    this.curtain.addEventListener("keydown", (event) => this.stepCurtain(event));
    this.panes[0].box.append(this.curtain);
    this.stage = make("div", { class: "stage" }, ...this.panes.map((pane) => pane.box));
    this.probe = make("div", { class: "probe", role: "status" });
    this.note = make("input", { class: "note", placeholder: "Note (optional)", "aria-label": "Note to the verdict", maxlength: 5000 });
    const act = (key, text, label, action) => make("button", { "aria-label": label, onclick: action }, text, make("kbd", { text: key }));
    this.standing = make("span", { class: "standing" });
    const verdict = make("div", { class: "bar", role: "toolbar", "aria-label": "Verdict" }, this.standing, act("O", "Odd", "Verdict: odd", () => this.decide("odd")), act("N", "Normal", "Verdict: normal", () => this.decide("normal")), act("U", "Unsure", "Verdict: unsure", () => this.decide("unsure")),
      act("Z", "Undo", "Take back the last verdict", () => this.undo()), this.note, act("K", "Previous", "Previous in the queue", () => this.step(-1)), act("J", "Next", "Next in the queue", () => this.step(1)));
    this.said = make("div", { class: "said", role: "status", "aria-live": "polite" });
    this.help = helpDialog([...this.keys(), ["wheel", null, "zoom; slices where there are several (with Ctrl: zoom)"], ["drag", null, "pan, window or ruler, by the tool"], ["← →", null, "move the curtain, once it was clicked or tabbed to (with Shift: farther; Home, End: all the way)"]], "Keys of the case view");
    this.root.replaceChildren(verdict, this.first, this.levels, this.stage, this.probe, this.sliceBar, this.said, this.help);
    this.take(this.tool);
    this.show(this.mode);
  }

  pane(title) {
    const canvas = make("canvas", { role: "img", "aria-label": title });
    const wait = make("div", { class: "wait", text: "opening …" });
    const letters = Object.fromEntries(["top", "bottom", "left", "right"].map((side) => [side, make("span", { class: `letter ${side}` })]));
    const mark = make("div", { class: "mark", role: "note" });
    const box = make("div", { class: "pane" }, canvas, make("span", { class: "title", text: title }), ...Object.values(letters), wait, mark);
    box.addEventListener("pointerdown", (event) => this.drag(event, box));
    box.addEventListener("pointermove", (event) => this.hover(event, box));
    box.addEventListener("wheel", (event) => this.wheel(event, box), { passive: false });
    return { box, canvas, wait, letters, mark };
  }

  say(text, wrong = false) {
    this.said.textContent = text;
    this.said.classList.toggle("wrong", wrong);
  }

  // Loading

  async load(item) {
    this.item = item;
    const place = this.slices.findIndex((each) => each.item === item);
    this.slider.value = place;
    this.sliceText.textContent = this.slices.length > 1 ? `${place + 1} of ${this.slices.length}` : "";
    this.ruler = null;
    this.beside = null;
    const kept = this.facts;
    try {
      const facts = await (await ask(address(this.run, "facts", { item }))).json();
      if (item !== this.item) return;
      this.facts = facts;
      this.original = this.pyramid({ item }, facts);
      if (kept?.width !== facts.width || kept?.height !== facts.height) this.view = null;
      if (facts.kind === "values" && (!this.window || kept?.unit !== facts.unit)) this.useWindow(...facts.window, facts.inverted);
      this.levels.style.display = facts.kind === "values" ? "" : "none";
      this.root.querySelector("[data-tool=window]").style.display = facts.kind === "values" ? "" : "none";
      this.presets();
      this.orient(facts.orientation);
      for (const pane of this.panes) pane.wait.style.display = "none";
    } catch (error) {
      this.facts = null;
      for (const pane of this.panes) {
        pane.wait.style.display = "";
        pane.wait.textContent = `The original cannot be shown: ${error.message}`;
        pane.wait.classList.add("wrong");
      }
    }
    this.heat = null;
    const known = this.slices[place] ?? { map: true };
    if (known.map) {
      try {
        const content = await (await ask(address(this.run, "heat", { item }))).arrayBuffer();
        if (item !== this.item) return;
        const [rows, columns] = new Uint32Array(content, 0, 2);
        this.heat = { rows, columns, values: new Float32Array(content, 8) };
        this.paintHeat();
      } catch {
        this.heat = null; // none was kept of it: said beside the map
      }
    }
    this.panes[1].wait.style.display = "none";
    if (!this.heat && this.facts) this.say("No map was kept: it did not look odd by itself.");
    this.complete = item;
    this.offer();
  }

  pyramid(query, facts) {
    return new Pyramid(this.run, query, facts, { tiles: this.tiles, changed: () => this.draw(), failed: (error) => this.say(error.message, true) });
  }

  // Synthetic pictures of this item, to choose from; one that is new is shown

  offer() {
    const pictures = this.facts && this.synthetic.item === this.item ? this.synthetic.pictures : [];
    const newest = pictures[0]?.sha256;
    const isNew = newest !== undefined && newest !== this.newest;
    this.newest = newest;
    this.choice.replaceChildren(make("option", { value: "", text: "the map" }), ...pictures.map((each) => make("option", { value: each.name, text: each.title })));
    this.compared.style.display = pictures.length ? "" : "none";
    if (isNew) return this.compare(pictures[0].name, "side");
    return this.compare(pictures.some((each) => each.sha256 === this.beside?.sha256) ? this.beside.name : "");
  }

  async compare(name, mode = this.mode) {
    const item = this.item;
    const chosen = this.synthetic.pictures.find((each) => each.name === name);
    this.choice.value = chosen ? name : "";
    if (chosen?.sha256 !== this.beside?.sha256) this.beside = null;
    if (chosen && !this.beside) {
      // Its SHA-256 keeps an earlier picture of that name out of the browser's cache.
      const query = { item, synthetic: name, sha256: chosen.sha256 };
      try {
        const facts = await (await ask(address(this.run, "facts", query))).json();
        if (item !== this.item || this.choice.value !== name) return;
        this.beside = { ...chosen, pyramid: this.pyramid(query, facts) };
      } catch (error) {
        this.say(`The synthetic picture cannot be shown: ${error.message}`, true);
      }
    }
    this.show(mode);
  }

  paintHeat() {
    // Bilinear to a finer grid first, so that outlines follow the values and not the grid.
    const { rows, columns } = this.heat;
    const wide = Math.min(this.facts?.width ?? 512, 512);
    const high = Math.max(Math.round((wide * (this.facts?.height ?? rows)) / (this.facts?.width ?? columns)), 1);
    const fine = new Float32Array(wide * high);
    for (let y = 0; y < high; y++) for (let x = 0; x < wide; x++) fine[y * wide + x] = this.evidence((x + 0.5) / wide, (y + 0.5) / high);
    const canvas = new OffscreenCanvas(wide, high);
    const context = canvas.getContext("2d");
    const image = context.createImageData(wide, high);
    const over = (x, y) => x >= 0 && y >= 0 && x < wide && y < high && fine[y * wide + x] > this.threshold;
    for (let y = 0; y < high; y++) {
      for (let x = 0; x < wide; x++) {
        const value = Math.min(fine[y * wide + x] / BRIGHTEST, 1);
        const edge = this.threshold !== null && over(x, y) && !(over(x - 1, y) && over(x + 1, y) && over(x, y - 1) && over(x, y + 1));
        const place = 4 * (y * wide + x);
        image.data.set(edge ? [255, 255, 255, 255] : [...colour(value), Math.round(255 * value)], place);
      }
    }
    context.putImageData(image, 0, 0);
    this.heatPicture = canvas;
  }

  evidence(u, v) {
    const { rows, columns, values } = this.heat;
    const x = Math.min(Math.max(u * columns - 0.5, 0), columns - 1);
    const y = Math.min(Math.max(v * rows - 0.5, 0), rows - 1);
    const [x0, y0] = [Math.floor(x), Math.floor(y)];
    const [x1, y1] = [Math.min(x0 + 1, columns - 1), Math.min(y0 + 1, rows - 1)];
    const [a, b] = [x - x0, y - y0];
    return (values[y0 * columns + x0] * (1 - a) + values[y0 * columns + x1] * a) * (1 - b) + (values[y1 * columns + x0] * (1 - a) + values[y1 * columns + x1] * a) * b;
  }

  // Drawing: view.x, view.y is the image point in the middle of a pane, view.scale screen pixels an image pixel

  draw() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = null;
      if (!this.facts) return;
      const { width, height } = this.panes[0].box.getBoundingClientRect();
      if (!width) return;
      if (!this.view) this.fitNow();
      this.missing = false;
      this.paint(this.panes[0], this.seen === "side" && !this.beside ? "plain" : this.seen, width, height);
      if (this.seen === "side") this.paint(this.panes[1], this.beside ? "synthetic" : "over", width, height);
      this.stage.style.setProperty("--curtain", `${this.curtainAt * 100}%`);
      this.curtain.setAttribute("aria-valuenow", Math.round(this.curtainAt * 100));
      if (this.missing || this.complete !== this.item) return;
      this.stage.dataset.ready = this.item;
      this.stage.dataset.shown = `${this.seen} ${this.beside?.name ?? ""}`.trim();
    });
  }

  // `what`: the original plain, with the map over it, behind a curtain before the map or the synthetic picture; that picture alone; or
  // the difference of both. Beside a synthetic picture the original keeps its map.
  paint(pane, what, width, height) {
    const ratio = window.devicePixelRatio || 1;
    const canvas = pane.canvas;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const { facts, view } = this;
    const left = width / 2 - view.x * view.scale;
    const top = height / 2 - view.y * view.scale;
    const place = { left, top, width, height, ratio };
    if (what === "synthetic") this.paintSynthetic(context, place, null);
    else if (!this.original.draw(context, { ...place, across: view.scale, down: view.scale }, this.look(what === "difference"))) this.missing = true;
    if (what === "difference") this.paintDifference(context, canvas, place);
    if (what === "curtain" && this.beside) this.paintSynthetic(context, place, width * this.curtainAt);
    else if (this.heat && ["over", "curtain", "side"].includes(what)) {
      context.save();
      if (what === "curtain") {
        context.beginPath();
        context.rect(width * this.curtainAt, 0, width, height);
        context.clip();
      }
      context.globalAlpha = what === "curtain" ? 1 : this.opacity;
      context.imageSmoothingEnabled = true;
      context.drawImage(this.heatPicture, left, top, facts.width * view.scale, facts.height * view.scale);
      context.restore();
    }
    if (this.ruler) this.paintRuler(context, left, top);
  }

  // Over the place of the original, whatever its own size, from column `from` of the pane on
  paintSynthetic(context, place, from) {
    const { facts, view, beside } = this;
    const own = beside.pyramid.facts;
    context.save();
    context.beginPath();
    context.rect(from ?? 0, 0, place.width, place.height);
    context.clip();
    if (from !== null) context.clearRect(from, 0, place.width, place.height);
    const size = { across: (view.scale * facts.width) / own.width, down: (view.scale * facts.height) / own.height };
    if (!beside.pyramid.draw(context, { ...place, ...size }, this.look(true))) this.missing = true;
    context.restore();
  }

  // |original - synthetic| of what is shown, times GAIN
  paintDifference(context, canvas, place) {
    const layer = new OffscreenCanvas(canvas.width, canvas.height);
    const above = layer.getContext("2d");
    above.setTransform(place.ratio, 0, 0, place.ratio, 0, 0);
    this.paintSynthetic(above, place, null);
    context.save();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalCompositeOperation = "difference";
    context.drawImage(layer, 0, 0);
    context.globalCompositeOperation = "lighter";
    for (let gain = 1; gain < GAIN; gain *= 2) context.drawImage(canvas, 0, 0);
    context.restore();
  }

  // How values are shown; `bounded` by what a synthetic picture tells apart
  look(bounded) {
    return { window: this.window ?? [0, 1], inverted: this.inverted ?? false, known: bounded ? (this.beside?.window ?? null) : null };
  }

  paintRuler(context, left, top) {
    const { from, to } = this.ruler;
    const at = ([x, y]) => [left + x * this.view.scale, top + y * this.view.scale];
    context.lineWidth = 2;
    context.strokeStyle = "#ffe14d";
    context.beginPath();
    context.moveTo(...at(from));
    context.lineTo(...at(to));
    context.stroke();
    const [x, y] = at(to);
    context.font = "13px system-ui";
    context.lineWidth = 3;
    context.strokeStyle = "#000";
    context.strokeText(this.length(), x + 8, y - 6);
    context.fillStyle = "#ffe14d";
    context.fillText(this.length(), x + 8, y - 6);
  }

  length() {
    const { from, to } = this.ruler;
    const spacing = this.facts.spacing_mm;
    const [down, across] = spacing ?? [1, 1];
    const long = Math.hypot((to[0] - from[0]) * across, (to[1] - from[1]) * down);
    return spacing ? `${long.toFixed(1)} mm${this.facts.meta.spacing === "detector" ? " at the detector" : ""}` : `${long.toFixed(0)} px`;
  }

  fitNow() {
    const { width, height } = this.panes[0].box.getBoundingClientRect();
    const scale = Math.min(width / this.facts.width, height / this.facts.height);
    this.view = { x: this.facts.width / 2, y: this.facts.height / 2, scale };
    this.scaleToFit = scale;
  }

  fit() {
    this.view = null;
    this.draw();
  }

  zoomTo(scale) {
    if (!this.view) return;
    this.view.scale = scale;
    this.draw();
  }

  // Hands

  at(event, box) {
    const { left, top, width, height } = box.getBoundingClientRect();
    return [this.view.x + (event.clientX - left - width / 2) / this.view.scale, this.view.y + (event.clientY - top - height / 2) / this.view.scale];
  }

  drag(event, box) {
    if (!this.view || event.target === this.curtain) return;
    event.preventDefault();
    box.setPointerCapture(event.pointerId);
    const tool = event.button === 2 ? "window" : this.tool;
    let last = [event.clientX, event.clientY];
    if (tool === "ruler") this.ruler = { from: this.at(event, box), to: this.at(event, box) };
    const move = (now) => {
      const [dx, dy] = [now.clientX - last[0], now.clientY - last[1]];
      last = [now.clientX, now.clientY];
      if (tool === "pan") {
        this.view.x -= dx / this.view.scale;
        this.view.y -= dy / this.view.scale;
      } else if (tool === "ruler") this.ruler.to = this.at(now, box);
      else if (this.window) {
        const [low, high] = this.window;
        const wide = high - low;
        const centre = (low + high) / 2 + (dy * wide) / 300;
        this.useWindow(centre - Math.max(wide * (1 + dx / 200), 1e-6) / 2, centre + Math.max(wide * (1 + dx / 200), 1e-6) / 2, this.inverted);
      }
      this.draw();
    };
    box.addEventListener("pointermove", move);
    box.addEventListener("pointerup", () => box.removeEventListener("pointermove", move), { once: true });
  }

  dragCurtain(event) {
    event.preventDefault();
    event.stopPropagation();
    this.curtain.focus();
    this.curtain.setPointerCapture(event.pointerId);
    const move = (now) => {
      const { left, width } = this.panes[0].box.getBoundingClientRect();
      this.curtainAt = Math.min(Math.max((now.clientX - left) / width, 0), 1);
      this.draw();
    };
    this.curtain.addEventListener("pointermove", move);
    this.curtain.addEventListener("pointerup", () => this.curtain.removeEventListener("pointermove", move), { once: true });
  }

  stepCurtain(event) {
    const step = event.shiftKey ? 5 * STEP : STEP;
    const to = { ArrowLeft: this.curtainAt - step, ArrowRight: this.curtainAt + step, Home: 0, End: 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.curtainAt = Math.min(Math.max(to, 0), 1);
    this.draw();
  }

  wheel(event, box) {
    if (!this.view) return;
    event.preventDefault();
    if (this.slices.length > 1 && !event.ctrlKey) return this.slice(Number(this.slider.value) + Math.sign(event.deltaY));
    const before = this.at(event, box);
    this.view.scale = Math.min(Math.max(this.view.scale * Math.exp(-event.deltaY / 400), 0.005), 64);
    const after = this.at(event, box);
    this.view.x += before[0] - after[0];
    this.view.y += before[1] - after[1];
    this.draw();
  }

  hover(event, box) {
    if (!this.view || !this.facts) return;
    const [x, y] = this.at(event, box).map(Math.floor);
    const { width, height } = this.facts;
    if (x < 0 || y < 0 || x >= width || y >= height) return void (this.probe.textContent = "");
    const said = [`row ${y}, column ${x}`];
    const value = this.original.value(x, y);
    if (value) said.push(`value ${value}`);
    if (this.beside) {
      const own = this.beside.pyramid.facts;
      const made = this.beside.pyramid.value(Math.floor(((x + 0.5) * own.width) / width), Math.floor(((y + 0.5) * own.height) / height));
      if (made) said.push(`synthetic ${made}`);
    }
    if (this.heat) said.push(`map: one place in ${Math.round(10 ** this.evidence((x + 0.5) / width, (y + 0.5) / height)).toLocaleString("en")} of normal images is as odd`);
    said.push(`${Math.round(this.view.scale * 100)} %`);
    this.probe.textContent = said.join("  ·  ");
  }

  take(name) {
    this.tool = name;
    for (const button of this.root.querySelectorAll("[data-tool]")) button.setAttribute("aria-pressed", String(button.dataset.tool === name));
  }

  show(mode) {
    this.mode = mode;
    const was = this.seen;
    const other = Boolean(this.heat || this.beside);
    const possible = { over: Boolean(this.heat), curtain: other, side: other, difference: Boolean(this.beside), plain: true };
    this.seen = possible[mode] ? mode : this.heat ? "over" : "plain";
    const { seen, beside } = this;
    // What filled one pane fills its half.
    if ((was === "side") !== (seen === "side") && this.view?.scale === this.scaleToFit) this.view = null;
    this.panes[1].box.style.display = seen === "side" ? "" : "none";
    const behind = beside ? "synthetic" : "map";
    const titles = { over: "original with map", curtain: `original | ${behind}`, side: beside && this.heat ? "original with map" : "original", difference: `difference to the synthetic picture, times ${GAIN}` };
    this.panes[0].box.querySelector(".title").textContent = titles[seen] ?? "original";
    this.panes[1].box.querySelector(".title").textContent = behind;
    for (const { box, canvas } of this.panes) canvas.setAttribute("aria-label", box.querySelector(".title").textContent);
    this.markAs(this.panes[0], seen === "curtain" || seen === "difference");
    this.markAs(this.panes[1], seen === "side");
    this.panes[0].mark.classList.toggle("behind", seen === "curtain");
    this.curtain.style.display = seen === "curtain" ? "" : "none";
    for (const button of this.root.querySelectorAll("[data-mode]")) {
      button.disabled = !possible[button.dataset.mode];
      button.setAttribute("aria-pressed", String(button.dataset.mode === seen));
    }
    this.draw();
  }

  // Wherever a synthetic picture is seen, the pane says so
  markAs(pane, shows) {
    const { beside } = this;
    pane.box.classList.toggle("synthetic", Boolean(shows && beside));
    pane.mark.replaceChildren(...(shows && beside ? [make("strong", { text: beside.mark }), make("span", { text: beside.maker })] : []));
  }

  // Window and level; slices

  useWindow(low, high, inverted) {
    this.window = [low, high];
    this.inverted = inverted;
    // As DICOM counts them (PS3.3 C.11.2.1.2.1): black at centre - 0.5 - (width - 1) / 2, white as far above.
    this.low.value = number((low + high) / 2 + 0.5, 5);
    this.wide.value = number(high - low + 1, 5);
    this.invert.setAttribute("aria-pressed", String(inverted));
    this.draw();
  }

  typedWindow() {
    this.useCentre(Number(this.low.value), Number(this.wide.value));
  }

  useCentre(centre, wide) {
    const half = Math.max((wide - 1) / 2, 1e-6);
    this.useWindow(centre - 0.5 - half, centre - 0.5 + half, this.inverted);
  }

  presets() {
    const names = ["of the file", ...Object.keys(PRESETS[this.facts.unit] ?? {})];
    this.preset.replaceChildren(...names.map((name) => make("option", { value: name, text: name })));
  }

  usePreset(name) {
    const [centre, wide] = PRESETS[this.facts.unit]?.[name] ?? [];
    if (centre === undefined) this.useWindow(...this.facts.window, this.facts.inverted);
    else this.useCentre(centre, wide);
  }

  flip() {
    if (this.window) this.useWindow(...this.window, !this.inverted);
  }

  slice(place) {
    const wanted = Math.min(Math.max(place, 0), this.slices.length - 1);
    if (this.slices[wanted].item === this.item) return;
    this.load(this.slices[wanted].item);
    clearTimeout(this.settled);
    this.settled = setTimeout(() => this.tell("go", { item: this.item }), 500);
  }

  play() {
    if (this.cine) {
      clearTimeout(this.cine);
      this.cine = null;
      return;
    }
    const next = () => {
      this.slice((Number(this.slider.value) + 1) % this.slices.length);
      this.cine = setTimeout(next, 120);
    };
    next();
  }

  orient(cosines) {
    const letter = (vector) => {
      const axis = [0, 1, 2].reduce((best, each) => (Math.abs(vector[each]) > Math.abs(vector[best]) ? each : best), 0);
      return [["L", "R"], ["P", "A"], ["H", "F"]][axis][vector[axis] > 0 ? 0 : 1];
    };
    const minus = (vector) => vector.map((each) => -each);
    const [across, down] = cosines ? [cosines.slice(0, 3), cosines.slice(3)] : [null, null];
    for (const { letters } of this.panes) {
      letters.right.textContent = across ? letter(across) : "";
      letters.left.textContent = across ? letter(minus(across)) : "";
      letters.bottom.textContent = down ? letter(down) : "";
      letters.top.textContent = down ? letter(minus(down)) : "";
    }
  }

  // Deciding

  async decide(decision) {
    try {
      await send(address(this.run, "decide"), this.ticket, { items: [this.item], decision, note: this.note.value });
      this.note.value = "";
      this.say(`${this.item}: ${decision}`);
      this.tell("decided", { item: this.item });
    } catch (error) {
      this.say(`Not saved: ${error.message}`, true);
    }
  }

  async undo() {
    try {
      await send(address(this.run, "undo"), this.ticket, { items: [this.item] });
      this.say(`${this.item}: taken back`);
      this.tell("decided", { item: this.item });
    } catch (error) {
      this.say(`Not taken back: ${error.message}`, true);
    }
  }

  async step(by) {
    try {
      const { place } = await (await ask(address(this.run, "place", { ...this.queue, of: this.item }))).json();
      const wanted = (place ?? -1) + by;
      if (wanted < 0) return this.say("This is the first of the queue.");
      const { rows } = await (await ask(address(this.run, "rows", { ...this.queue, offset: wanted, limit: 1 }))).json();
      if (!rows.length) return this.say("This was the last of the queue.");
      this.tell("go", { item: rows[0].item });
    } catch (error) {
      this.say(error.message, true);
    }
  }

  keys() {
    return [
      ["O", () => this.decide("odd"), "verdict: odd"],
      ["N", () => this.decide("normal"), "verdict: normal"],
      ["U", () => this.decide("unsure"), "verdict: unsure"],
      ["Z", () => this.undo(), "take back the last verdict"],
      ["J", () => this.step(1), "next in the queue"],
      ["K", () => this.step(-1), "previous in the queue"],
      ["P", () => this.take("pan"), "drag moves the image"],
      ["W", () => this.take("window"), "drag changes window (across) and level (down); the right button always does"],
      ["M", () => this.take("ruler"), "drag measures"],
      ["V", () => this.show("over"), "map over the image"],
      ["C", () => this.show("curtain"), "map or synthetic picture behind a curtain"],
      ["B", () => this.show("side"), "map or synthetic picture beside the image"],
      ["D", () => this.show("difference"), "difference to a synthetic picture"],
      ["H", () => this.show("plain"), "no map"],
      ["I", () => this.flip(), "invert"],
      ["F", () => this.fit(), "all of the image"],
      ["1", () => this.zoomTo(1), "one pixel a pixel"],
      ["+", () => this.zoomTo(this.view.scale * 1.5), "closer"],
      ["-", () => this.zoomTo(this.view.scale / 1.5), "farther"],
      ["ArrowDown", () => this.slices.length > 1 && this.slice(Number(this.slider.value) + 1), "next slice"],
      ["ArrowUp", () => this.slices.length > 1 && this.slice(Number(this.slider.value) - 1), "slice before"],
      ["?", () => this.help.showModal(), "these keys"],
    ];
  }

  key(event) {
    if (typing(event) || event.ctrlKey || event.metaKey || event.altKey || this.help.open) return;
    const found = this.keys().find(([key]) => key.toLowerCase() === event.key.toLowerCase());
    if (!found) return;
    event.preventDefault();
    found[1]();
  }
}

function colour(value) {
  const place = Math.min(Math.max(value, 0), 1) * (COLOURS.length - 1);
  const [low, part] = [Math.floor(place), place % 1];
  const high = Math.min(low + 1, COLOURS.length - 1);
  return COLOURS[low].map((each, k) => Math.round(each * (1 - part) + COLOURS[high][k] * part));
}
