import assert from "node:assert/strict";
import { test } from "node:test";
import {
  areaOf,
  boundsOf,
  contains,
  corrected,
  moved,
  pointNear,
  rectangleOf,
  resized,
  simplified,
} from "../../../dashboards/components/viewer/outline.js";
import { RegionPen } from "../../../dashboards/components/viewer/region-pen.js";
import { rulerAfterKey } from "../../../dashboards/components/viewer/ruler.js";

const image = { width: 100, height: 80 };
const box = rectangleOf([30, 40], [10, 20]);

test("a rectangle has its corners in order, whichever was first", () => {
  assert.deepEqual(box, rectangleOf([10, 20], [30, 40]));
  assert.equal(areaOf(box), 400);
  assert.ok(contains(box, [11, 21]));
  assert.ok(!contains(box, [9, 21]));
  assert.equal(pointNear(box, [31, 41], 2), 2);
  assert.equal(pointNear(box, [40, 41], 2), -1);
});

test("what is moved, sized or corrected stays within the image", () => {
  assert.deepEqual(boundsOf(moved(box, [-50, 100], image)), { left: 0, right: 20, top: 60, bottom: 80 });
  assert.deepEqual(boundsOf(resized(box, [1000, -1000], image)), { left: 10, right: 100, top: 20, bottom: 21 });
  assert.deepEqual(boundsOf(corrected({ kind: "rectangle", points: box }, 0, [0, 0])), {
    left: 0,
    right: 30,
    top: 0,
    bottom: 40,
  });
  const triangle = [
    [0, 0],
    [9, 0],
    [0, 9],
  ];
  assert.deepEqual(corrected({ kind: "polygon", points: triangle }, 1, [5, 5])[1], [5, 5]);
});

test("an outline is simplified no farther than its tolerance", () => {
  const circle = Array.from({ length: 400 }, (_, k) => [50 + 30 * Math.cos(k / 63.7), 40 + 30 * Math.sin(k / 63.7)]);
  const fewer = simplified(circle, 0.5);
  assert.ok(fewer.length < 40, String(fewer.length));
  assert.ok(Math.abs(areaOf(fewer) - Math.PI * 900) < 60);
});

/** A pen over regions that keep what they are told. */
function penOver(own = []) {
  const regions = {
    own,
    list: own,
    selected: null,
    added: [],
    changed: [],
    isOwn: () => true,
    onChange: () => {},
    select: (key) => {
      regions.selected = regions.own.find((region) => region.key === key) ?? null;
    },
    add: (kind, points) => regions.added.push({ kind, points }),
    change: (changed) => regions.changed.push(changed),
    remove: () => regions.changed.push("removed"),
  };
  return { regions, pen: new RegionPen(regions, { image, scale: () => 2 }) };
}

function drag(pen, kind, ...points) {
  pen.start(kind, points[0]);
  for (const point of points.slice(1)) pen.drag(point);
  pen.end();
}

test("a drag draws a box or an outline, within the image; a click draws nothing", () => {
  const { pen, regions } = penOver();
  drag(pen, "rectangle", [10, 20], [30, 500]);
  drag(pen, "polygon", [0, 0], [20, 0], [20, 20], [0, 20]);
  drag(pen, "rectangle", [10, 20]);
  assert.deepEqual(
    regions.added.map(({ kind, points }) => [kind, points.length, boundsOf(points).bottom]),
    [
      ["rectangle", 4, 80],
      ["polygon", 4, 20],
    ],
  );
});

test("clicks draw an outline point by point, closed at its first point or by Enter", () => {
  for (const close of [(pen) => drag(pen, "polygon", [1, 1]), (pen) => pen.press(key("Enter"))]) {
    const { pen, regions } = penOver();
    for (const point of [
      [0, 0],
      [40, 0],
      [40, 40],
    ])
      drag(pen, "polygon", point);
    close(pen);
    assert.equal(regions.added.length, 1);
    assert.equal(areaOf(regions.added[0].points), 800);
    assert.equal(pen.draft, null);
  }
});

test("a click selects the smallest; a selected one is moved and corrected, and within it nothing is drawn", () => {
  const own = [
    { key: "large", kind: "rectangle", points: rectangleOf([0, 0], [60, 60]) },
    { key: "small", kind: "rectangle", points: rectangleOf([10, 10], [30, 30]) },
  ];
  const { pen, regions } = penOver(own);
  drag(pen, "rectangle", [20, 20]);
  assert.equal(regions.selected.key, "small");
  drag(pen, "rectangle", [20, 20], [25, 20]);
  drag(pen, "polygon", [30, 30], [40, 50]);
  assert.deepEqual(
    regions.changed.map(({ points }) => boundsOf(points)),
    [
      { left: 15, right: 35, top: 10, bottom: 30 },
      { left: 10, right: 40, top: 10, bottom: 50 },
    ],
  );
  drag(pen, "rectangle", [90, 70]);
  drag(pen, "rectangle", [20, 20], [28, 28]);
  assert.equal(regions.added.length, 1, "within one that is not selected, a new one");
});

function key(name, shiftKey = false, tagName = "DIV") {
  return { key: name, shiftKey, composedPath: () => [{ tagName }] };
}

test("keys put a box in the middle, move and size it, and take it away", () => {
  const { pen, regions } = penOver([{ key: "a", kind: "rectangle", points: box }]);
  assert.equal(pen.press(key("Enter", false, "BUTTON")), false, "a button is pressed");
  assert.equal(pen.press(key("ArrowLeft")), false, "without a selected region arrows pan");
  assert.equal(pen.press(key("Enter")), true);
  assert.deepEqual(boundsOf(regions.added[0].points), { left: 35, right: 65, top: 28, bottom: 52 });
  regions.select("a");
  for (const [name, isShifted] of [
    ["ArrowRight", false],
    ["ArrowDown", true],
    ["Delete", false],
  ])
    assert.equal(pen.press(key(name, isShifted)), true);
  assert.deepEqual(boundsOf(regions.changed[0].points), { left: 11, right: 31, top: 20, bottom: 40 });
  assert.deepEqual(boundsOf(regions.changed[1].points), { left: 10, right: 30, top: 20, bottom: 40.8 });
  assert.equal(regions.changed[2], "removed");
  assert.equal(pen.press(key("Escape")), true);
  assert.equal(regions.selected, null);
});

test("a ruler is put down, moved and taken away by keys", () => {
  const view = { x: 50, y: 40, scale: 2 };
  const ruler = rulerAfterKey(null, key("Enter"), view);
  assert.deepEqual(ruler, { from: [25, 40], to: [75, 40] });
  assert.deepEqual(rulerAfterKey(ruler, key("ArrowDown"), view).to, [75, 42.5]);
  assert.deepEqual(rulerAfterKey(ruler, key("ArrowLeft", true), view).from, [22.5, 40]);
  assert.equal(rulerAfterKey(ruler, key("Escape"), view), null);
  assert.equal(rulerAfterKey(null, key("ArrowDown"), view), undefined);
  assert.equal(rulerAfterKey(null, key("Enter", false, "BUTTON"), view), undefined);
});
