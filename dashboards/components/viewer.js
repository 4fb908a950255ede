// The case: deep zoom by tiles down to single pixels, map over it on an absolute scale, side by side or behind a curtain,
// window and level for scanner values, slices, ruler, probe. All of it here in the browser: no step asks the server again
// for what it has sent.
const BRIGHTEST = 4; // evidence: one place in ten thousand, or rarer
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
    if (data.item !== this.item) this.load(data.item);
  }

  build() {
    const tools = [["pan", "Pan", "P"], ["window", "Window", "W"], ["ruler", "Ruler", "M"]].map(([name, text, key]) =>
      make("button", { "data-tool": name, "aria-pressed": "false", "aria-label": `Tool: ${text}`, onclick: () => this.take(name) }, text, make("kbd", { text: key })));
    const modes = [["over", "Overlay", "V"], ["curtain", "Curtain", "C"], ["side", "Side by side", "B"], ["plain", "No map", "H"]].map(([name, text, key]) =>
      make("button", { "data-mode": name, "aria-pressed": "false", "aria-label": `Map: ${text}`, onclick: () => this.show(name) }, text, make("kbd", { text: key })));
    this.slide = make("input", { type: "range", min: 0, max: 1, step: 0.01, value: this.opacity, "aria-label": "Opacity of the map", oninput: () => ((this.opacity = Number(this.slide.value)), this.draw()) });
    const legend = make("span", { class: "scale", role: "img", "aria-label": "Colours of the map: left ordinary, right one place in ten thousand or rarer", title: "left: ordinary; right: one place in 10,000 or rarer, in every image alike", style: `background:linear-gradient(90deg,${COLOURS.map((c) => `rgb(${c})`)})` });
    this.first = make("div", { class: "bar", role: "toolbar", "aria-label": "View" }, ...tools, ...modes, make("label", {}, "Opacity", this.slide, legend),
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
    this.curtain = make("div", { class: "curtain", role: "separator", "aria-label": "Curtain between original and map" });
    this.curtain.addEventListener("pointerdown", (event) => this.dragCurtain(event));
    this.panes[0].box.append(this.curtain);
    this.stage = make("div", { class: "stage" }, ...this.panes.map((pane) => pane.box));
    this.probe = make("div", { class: "probe", role: "status" });
    this.note = make("input", { class: "note", placeholder: "Note (optional)", "aria-label": "Note to the verdict", maxlength: 5000 });
    const act = (key, text, label, action) => make("button", { "aria-label": label, onclick: action }, text, make("kbd", { text: key }));
    this.standing = make("span", { class: "standing" });
    const verdict = make("div", { class: "bar", role: "toolbar", "aria-label": "Verdict" }, this.standing, act("O", "Odd", "Verdict: odd", () => this.decide("odd")), act("N", "Normal", "Verdict: normal", () => this.decide("normal")), act("U", "Unsure", "Verdict: unsure", () => this.decide("unsure")),
      act("Z", "Undo", "Take back the last verdict", () => this.undo()), this.note, act("K", "Previous", "Previous in the queue", () => this.step(-1)), act("J", "Next", "Next in the queue", () => this.step(1)));
    this.said = make("div", { class: "said", role: "status", "aria-live": "polite" });
    this.help = helpDialog([...this.keys(), ["wheel", null, "zoom; slices where there are several (with Ctrl: zoom)"], ["drag", null, "pan, window or ruler, by the tool"]], "Keys of the case view");
    this.root.replaceChildren(verdict, this.first, this.levels, this.stage, this.probe, this.sliceBar, this.said, this.help);
    this.take(this.tool);
    this.show(this.mode);
  }

  pane(title) {
    const canvas = make("canvas", { role: "img", "aria-label": title });
    const wait = make("div", { class: "wait", text: "opening …" });
    const letters = Object.fromEntries(["top", "bottom", "left", "right"].map((side) => [side, make("span", { class: `letter ${side}` })]));
    const box = make("div", { class: "pane" }, canvas, make("span", { class: "title", text: title }), ...Object.values(letters), wait);
    box.addEventListener("pointerdown", (event) => this.drag(event, box));
    box.addEventListener("pointermove", (event) => this.look(event, box));
    box.addEventListener("wheel", (event) => this.wheel(event, box), { passive: false });
    return { box, canvas, wait, letters };
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
    const kept = this.facts;
    try {
      const facts = await (await ask(address(this.run, "facts", { item }))).json();
      if (item !== this.item) return;
      this.facts = facts;
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
    for (const button of this.root.querySelectorAll("[data-mode]")) button.disabled = !this.heat && button.dataset.mode !== "plain";
    this.complete = item;
    this.show(this.mode);
  }

  tile(level, column, row) {
    const key = `${this.item}/${level}/${column}/${row}`;
    if (!this.tiles.has(key)) {
      if (this.tiles.size > 400) for (const old of [...this.tiles.keys()].slice(0, 100)) this.tiles.delete(old);
      this.tiles.set(key, null);
      const item = this.item;
      const { kind, width, height, tile } = this.facts;
      const wide = Math.min(tile, Math.ceil(width / 2 ** level) - column * tile);
      ask(address(this.run, "tile", { item, level, column, row })).then(async (response) => {
        if (kind === "values") {
          const values = new Float32Array(await response.arrayBuffer());
          this.tiles.set(key, { values, wide, high: values.length / wide });
        } else this.tiles.set(key, { picture: await createImageBitmap(await response.blob(), { colorSpaceConversion: "none", premultiplyAlpha: "none" }) });
        if (item === this.item) this.draw();
      }).catch((error) => {
        this.tiles.delete(key);
        this.say(error.message, true);
      });
    }
    return this.tiles.get(key);
  }

  pictureOf(tile) {
    if (tile.picture) return tile.picture;
    const [low, high] = this.window;
    const look = `${low}/${high}/${this.inverted}`;
    if (tile.look !== look) {
      const canvas = tile.canvas ?? new OffscreenCanvas(tile.wide, tile.high);
      const context = canvas.getContext("2d");
      const image = context.createImageData(tile.wide, tile.high);
      const bytes = new Uint32Array(image.data.buffer);
      const scale = 255 / (high - low);
      for (let k = 0; k < bytes.length; k++) {
        let grey = (tile.values[k] - low) * scale;
        grey = grey < 0 ? 0 : grey > 255 ? 255 : Math.round(grey);
        if (this.inverted) grey = 255 - grey;
        bytes[k] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
      }
      context.putImageData(image, 0, 0);
      Object.assign(tile, { canvas, look });
    }
    return tile.canvas;
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
      this.paint(this.panes[0], this.mode === "side" || this.mode === "plain" ? "none" : this.mode, width, height);
      if (this.mode === "side") this.paint(this.panes[1], "over", width, height);
      this.curtain.style.left = `${this.curtainAt * 100}%`;
      if (!this.missing && this.complete === this.item) this.stage.dataset.ready = this.item;
    });
  }

  paint(pane, map, width, height) {
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
    // Tiles of the level that has about a pixel for each of the screen's, coarser ones below them until they are here.
    const level = Math.min(Math.max(Math.floor(Math.log2(1 / (view.scale * ratio)) + 0.25), 0), facts.levels - 1);
    context.imageSmoothingEnabled = view.scale * ratio < 2;
    for (let each = facts.levels - 1; each >= level; each = each === facts.levels - 1 && each > level ? level : each - 1) {
      const size = facts.tile * 2 ** each;
      const clamp = (value, count) => Math.min(Math.max(Math.floor(value), 0), count - 1);
      const [columns, rows] = [Math.ceil(facts.width / size), Math.ceil(facts.height / size)];
      for (let row = clamp(-top / view.scale / size, rows); row <= clamp((height - top) / view.scale / size, rows); row++) {
        for (let column = clamp(-left / view.scale / size, columns); column <= clamp((width - left) / view.scale / size, columns); column++) {
          const tile = this.tile(each, column, row);
          if (!tile) {
            this.missing = true;
            continue;
          }
          const picture = this.pictureOf(tile);
          const across = Math.min(size, facts.width - column * size);
          const down = Math.min(size, facts.height - row * size);
          context.drawImage(picture, left + column * size * view.scale, top + row * size * view.scale, across * view.scale, down * view.scale);
        }
      }
    }
    if (map !== "none" && this.heat) {
      context.save();
      if (map === "curtain") {
        context.beginPath();
        context.rect(width * this.curtainAt, 0, width, height);
        context.clip();
      }
      context.globalAlpha = map === "curtain" ? 1 : this.opacity;
      context.imageSmoothingEnabled = true;
      context.drawImage(this.heatPicture, left, top, facts.width * view.scale, facts.height * view.scale);
      context.restore();
    }
    if (this.ruler) this.paintRuler(context, left, top);
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
    this.curtain.setPointerCapture(event.pointerId);
    const move = (now) => {
      const { left, width } = this.panes[0].box.getBoundingClientRect();
      this.curtainAt = Math.min(Math.max((now.clientX - left) / width, 0), 1);
      this.draw();
    };
    this.curtain.addEventListener("pointermove", move);
    this.curtain.addEventListener("pointerup", () => this.curtain.removeEventListener("pointermove", move), { once: true });
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

  look(event, box) {
    if (!this.view || !this.facts) return;
    const [x, y] = this.at(event, box).map(Math.floor);
    const { width, height, tile, unit } = this.facts;
    if (x < 0 || y < 0 || x >= width || y >= height) return void (this.probe.textContent = "");
    const said = [`row ${y}, column ${x}`];
    for (let level = 0; level < this.facts.levels; level++) {
      const [u, v] = [x >> level, y >> level];
      const found = this.tiles.get(`${this.item}/${level}/${Math.floor(u / tile)}/${Math.floor(v / tile)}`);
      if (!found) continue;
      const sign = level ? "≈" : "=";
      if (found.values) said.push(`value ${sign} ${number(found.values[(v % tile) * found.wide + (u % tile)], 5)} ${unit === "HU" ? "HU" : ""}`);
      else {
        this.scratch ??= new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
        this.scratch.drawImage(found.picture, -(u % tile), -(v % tile));
        const [r, g, b] = this.scratch.getImageData(0, 0, 1, 1).data;
        said.push(`value ${sign} ${r === g && g === b ? r : `${r}, ${g}, ${b}`}`);
      }
      break;
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
    const seen = this.heat ? mode : "plain";
    this.panes[1].box.style.display = seen === "side" ? "" : "none";
    this.panes[0].box.querySelector(".title").textContent = { over: "original with map", curtain: "original | map" }[seen] ?? "original";
    this.curtain.style.display = seen === "curtain" ? "" : "none";
    for (const button of this.root.querySelectorAll("[data-mode]")) button.setAttribute("aria-pressed", String(button.dataset.mode === seen));
    this.draw();
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
      ["V", () => this.heat && this.show("over"), "map over the image"],
      ["C", () => this.heat && this.show("curtain"), "map behind a curtain"],
      ["B", () => this.heat && this.show("side"), "map beside the image"],
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
