import { make } from "../shared/dom.js";
import { followPointer } from "../shared/drag.js";
import { clamp } from "../shared/numbers.js";

const STEP = 0.02;
const LARGE_STEP = 0.1;

/** Where a key moves the curtain, in 0..1 of the pane's width; undefined for a key that does not. */
export function curtainAfterKey(position, { key, shiftKey }) {
  const step = shiftKey ? LARGE_STEP : STEP;
  const moved = { ArrowLeft: position - step, ArrowRight: position + step, Home: 0, End: 1 }[key];
  return moved === undefined ? undefined : clamp(moved, 0, 1);
}

/** The handle between the original, on its left, and what it is compared with. */
export class Curtain {
  constructor(onMove) {
    this.position = 0.5;
    this.onMove = onMove;
    this.element = make("div", {
      class: "curtain",
      role: "separator",
      tabindex: 0,
      "aria-label": "Curtain: the original on its left",
      "aria-orientation": "vertical",
      "aria-valuemin": 0,
      "aria-valuemax": 100,
      onpointerdown: (event) => this.drag(event),
      onkeydown: (event) => this.press(event),
    });
  }

  moveTo(position) {
    this.position = position;
    this.onMove();
  }

  showPosition(stage) {
    stage.style.setProperty("--curtain", `${this.position * 100}%`);
    this.element.setAttribute("aria-valuenow", Math.round(this.position * 100));
  }

  drag(event) {
    event.preventDefault();
    event.stopPropagation(); // the pane's tool would start too
    this.element.focus();
    followPointer(this.element, event, ({ clientX }) => {
      const { left, width } = this.element.parentElement.getBoundingClientRect();
      this.moveTo(clamp((clientX - left) / width, 0, 1));
    });
  }

  press(event) {
    const position = curtainAfterKey(this.position, event);
    if (position === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.moveTo(position);
  }
}
