import { make } from "../shared/dom.js";
import { followPointer } from "../shared/drag.js";
import { cursorAfterKey, pointsWithin } from "./lasso.js";

const HEIGHT = 420; // pixels
const MARGIN = 14;
const RADIUS = 4;
const NEAR = 8; // pixels, within which a point is named
const HELP =
  "Draw around points to take them. By keys: arrows move a cross (with Shift farther), Enter sets a corner, C closes the line, Escape begins anew.";

/** Points in 0..1 with the colour of their state, on a canvas; what is within a line is chosen. */
export class Scatter {
  /** @param data - about, label, points [x, y, state], names, states of {name, colour, count}. */
  constructor(data, onChosen) {
    this.line = [];
    this.cursor = [0.5, 0.5];
    this.canvas = make("canvas", {
      tabindex: 0,
      role: "application",
      "aria-label": `${data.label}. ${HELP}`,
      onpointerdown: (event) => this.drag(event),
      onpointermove: (event) => this.name(event),
      onkeydown: (event) => this.press(event),
      onfocus: () => this.draw(),
      onblur: () => this.draw(),
    });
    this.element = make("div", { class: "scatter" }, this.canvas);
    this.said = make("p", { class: "said", role: "status", text: HELP });
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.element);
    this.update(data, onChosen);
  }

  update(data, onChosen) {
    Object.assign(this, { ...data, onChosen });
    this.draw();
  }

  unmount() {
    this.observer.disconnect();
  }

  // Places

  onCanvas([x, y]) {
    const { clientWidth: width } = this.element;
    return [MARGIN + x * (width - 2 * MARGIN), MARGIN + y * (HEIGHT - 2 * MARGIN)];
  }

  placeOf(event) {
    const { left, top, width } = this.canvas.getBoundingClientRect();
    return [
      (event.clientX - left - MARGIN) / (width - 2 * MARGIN),
      (event.clientY - top - MARGIN) / (HEIGHT - 2 * MARGIN),
    ];
  }

  // By pointer

  drag(event) {
    event.preventDefault();
    this.canvas.focus();
    this.line = [this.placeOf(event)];
    const follow = (moved) => {
      this.line.push(this.placeOf(moved));
      this.draw();
    };
    followPointer(this.canvas, event, follow, () => this.close());
  }

  name(event) {
    const at = this.onCanvas(this.placeOf(event));
    const distances = this.points.map((point) => {
      const [x, y] = this.onCanvas(point);
      return Math.hypot(x - at[0], y - at[1]);
    });
    const nearest = distances.indexOf(Math.min(...distances));
    const isNear = distances[nearest] <= NEAR;
    this.canvas.title = isNear ? `${this.names[nearest]}\n${this.states[this.points[nearest][2]].name}` : "";
  }

  // By keys

  press(event) {
    const act = this.actionOf(event);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
    this.draw();
  }

  actionOf(event) {
    const moved = cursorAfterKey(this.cursor, event);
    if (moved) {
      return () => {
        this.cursor = moved;
      };
    }
    const actions = {
      enter: () => this.line.push(this.cursor),
      c: () => this.close(),
      escape: () => {
        this.line = [];
      },
    };
    return event.ctrlKey || event.metaKey || event.altKey ? undefined : actions[event.key.toLowerCase()];
  }

  close() {
    const chosen = this.line.length >= 3 ? pointsWithin(this.points, this.line) : [];
    this.said.textContent = chosen.length ? `${chosen.length} within the line.` : `Nothing is within the line. ${HELP}`;
    if (!chosen.length) this.line = [];
    this.draw();
    if (chosen.length) this.onChosen(chosen);
  }

  // Drawing

  draw() {
    const { clientWidth: width } = this.element;
    if (!width) return;
    const ratio = window.devicePixelRatio || 1;
    Object.assign(this.canvas, { width: Math.round(width * ratio), height: Math.round(HEIGHT * ratio) });
    const context = this.canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.drawPoints(context);
    this.drawLine(context);
    if (this.canvas.matches(":focus-visible")) this.drawCross(context);
  }

  drawPoints(context) {
    context.globalAlpha = 0.8;
    for (const [x, y, state] of this.points) {
      const [u, v] = this.onCanvas([x, y]);
      context.fillStyle = this.states[state].colour;
      context.beginPath();
      context.arc(u, v, RADIUS, 0, 2 * Math.PI);
      context.fill();
    }
    context.globalAlpha = 1;
  }

  drawLine(context) {
    if (!this.line.length) return;
    const path = new Path2D();
    for (const point of this.line) path.lineTo(...this.onCanvas(point));
    path.closePath();
    const colour = getComputedStyle(this.element).color;
    context.strokeStyle = colour;
    context.lineWidth = 1.5;
    context.stroke(path);
    context.globalAlpha = 0.1;
    context.fillStyle = colour;
    context.fill(path, "evenodd");
    context.globalAlpha = 1;
  }

  drawCross(context) {
    const [x, y] = this.onCanvas(this.cursor);
    context.strokeStyle = getComputedStyle(this.element).color;
    context.lineWidth = 1;
    context.stroke(new Path2D(`M ${x - 10} ${y} H ${x + 10} M ${x} ${y - 10} V ${y + 10}`));
  }
}
