import { contoursOf } from "./contours.js";
import { heatMapCanvas } from "./layers.js";

/** A heat map as it is shown: its colours and its contours, each made when it is first drawn. */
export class MapView {
  /** @param bar - tells `opacity` and `threshold`. */
  constructor(heatMap, image, bar) {
    Object.assign(this, { heatMap, image, bar });
  }

  get opacity() {
    return this.bar.opacity;
  }

  canvas() {
    this.colours ??= heatMapCanvas(this.heatMap, this.image);
    return this.colours;
  }

  contours() {
    const { threshold } = this.bar;
    if (this.drawnAt !== threshold) this.rings = contoursOf(this.heatMap, threshold);
    this.drawnAt = threshold;
    return this.rings;
  }
}
