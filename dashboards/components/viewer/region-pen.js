import {
  areaOf,
  boundsOf,
  contains,
  corrected,
  inside,
  moved,
  pointNear,
  rectangleOf,
  resized,
  simplified,
} from "./outline.js";

const REACH = 8; // pixels on the screen: so near is at a point
const SMALLEST = 4; // pixels on the screen, of what is drawn
const STEP = 0.01; // of the image, by an arrow key
const PRESSED = new Set(["BUTTON", "A", "SUMMARY"]); // what Enter is for where it has the focus
const MOST_POINTS = 1000; // of an outline
const IN_THE_MIDDLE = 0.15; // of the image, of a box that a key makes

/** Draws regions and corrects them, by pointer and by keys. Points are image points. */
export class RegionPen {
  /** @param view - tells `image` (its size, null without one) and `scale`, screen pixels per image pixel. */
  constructor(regions, view) {
    Object.assign(this, { regions, view });
    this.drop();
  }

  drop() {
    this.draft = null; // {kind, points, isDragged}: what is being drawn
    this.grip = null; // {index, from, points}: what is being corrected; without an index all of it moves
  }

  get reach() {
    return REACH / this.view.scale();
  }

  /** What to draw: the regions, as they will be. */
  get drawing() {
    const { selected, list } = this.regions;
    const shown = list.map((region) => {
      const isSelected = region.key === selected?.key;
      const points = isSelected && this.grip ? this.grip.points : region.points;
      return { ...region, points, isSelected, isOwn: this.regions.isOwn(region) };
    });
    return { regions: shown, draft: this.draft?.points ?? null };
  }

  // By pointer

  start(kind, at) {
    const { image } = this.view;
    if (!image) return;
    const point = inside(at, image);
    if (this.draft) {
      this.addPoint(point);
      return;
    }
    this.grip = this.gripAt(point);
    if (this.grip) return;
    this.regions.select(null);
    this.draft = { kind, points: kind === "rectangle" ? rectangleOf(point, point) : [point], from: point };
  }

  /** Only the selected one is corrected: within others new ones are drawn. */

  gripAt(point) {
    const { selected } = this.regions;
    if (!selected) return null;
    const { points } = selected;
    const index = pointNear(points, point, this.reach);
    if (index >= 0) return { index, from: point, points };
    return contains(points, point) ? { from: point, points } : null;
  }

  addPoint(point) {
    const { points } = this.draft;
    this.draft.from = point;
    if (points.length >= 3 && pointNear(points.slice(0, 1), point, this.reach) === 0) this.close();
    else points.push(point);
    this.regions.onChange();
  }

  drag(at) {
    const { image } = this.view;
    if (!image || !(this.draft || this.grip)) return;
    const point = inside(at, image);
    if (this.grip) this.correct(point, image);
    else this.extend(point);
    this.regions.onChange();
  }

  correct(point, image) {
    const { selected } = this.regions;
    const { index, from } = this.grip;
    if (!selected) return;
    this.grip.points =
      index === undefined
        ? moved(selected.points, [point[0] - from[0], point[1] - from[1]], image)
        : corrected(selected, index, point);
  }

  extend(point) {
    const { draft } = this;
    if (draft.kind === "rectangle") draft.points = rectangleOf(draft.from, point);
    else if (pointNear(draft.points.slice(-1), point, 1 / this.view.scale()) < 0) draft.points.push(point);
    draft.isDragged ||= pointNear([draft.from], point, SMALLEST / this.view.scale()) < 0;
  }

  end() {
    const { draft, grip } = this;
    if (grip) {
      this.grip = null;
      const { selected } = this.regions;
      if (selected && String(grip.points) !== String(selected.points)) this.regions.change({ points: grip.points });
    } else if (draft?.isDragged) this.close();
    else if (draft) this.click(draft);
    this.regions.onChange();
  }

  /** Selects the smallest of one's own there; outside of all, an outline is begun point by point. */
  click({ kind, points, from }) {
    if (points.length > 1 && kind === "polygon") return;
    const hits = this.regions.own.filter((region) => contains(region.points, from));
    const [hit] = hits.sort((one, other) => areaOf(one.points) - areaOf(other.points));
    if (hit) this.regions.select(hit.key);
    if (hit || kind === "rectangle") this.draft = null;
  }

  /** Makes what was drawn a region, where it is one. */
  close() {
    const { draft } = this;
    this.draft = null;
    if (!draft) return;
    const points = draft.kind === "rectangle" ? draft.points : thinned(draft.points, 1 / this.view.scale());
    const { left, right, top, bottom } = boundsOf(points);
    const isLarge = Math.max(right - left, bottom - top) * this.view.scale() >= SMALLEST;
    if (points.length >= 3 && isLarge && right > left && bottom > top) this.regions.add(draft.kind, points);
    this.regions.onChange();
  }

  // By keys

  /** @returns whether the key was for it. */
  press(event) {
    const isButton = event.key === "Enter" && PRESSED.has(event.composedPath()[0]?.tagName);
    const act = isButton ? undefined : this.actionOf(event.key, event.shiftKey);
    act?.();
    if (act) this.regions.onChange();
    return Boolean(act);
  }

  actionOf(key, isShifted) {
    const { selected } = this.regions;
    const isBusy = this.draft || selected;
    if (key === "Enter" && this.draft) return () => this.close();
    if (key === "Enter" && !selected && this.view.image) return () => this.addInTheMiddle();
    if (key === "Escape" && isBusy) return () => this.stop();
    if ((key === "Delete" || key === "Backspace") && selected) return () => this.regions.remove();
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    return step && selected ? () => this.shift(step, isShifted) : undefined;
  }

  stop() {
    this.drop();
    this.regions.select(null);
  }

  addInTheMiddle() {
    const { width, height } = this.view.image;
    const [x, y] = [IN_THE_MIDDLE * width, IN_THE_MIDDLE * height];
    this.regions.add("rectangle", rectangleOf([width / 2 - x, height / 2 - y], [width / 2 + x, height / 2 + y]));
  }

  shift([across, down], isShifted) {
    const { image } = this.view;
    const by = [across * STEP * image.width, down * STEP * image.height];
    const { points } = this.regions.selected;
    this.regions.change({ points: isShifted ? resized(points, by, image) : moved(points, by, image) });
  }
}

function thinned(points, tolerance) {
  const fewer = simplified(points, tolerance);
  return fewer.length <= MOST_POINTS ? fewer : thinned(fewer, 2 * tolerance);
}
