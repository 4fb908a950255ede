// The items of a group as series: those of one file or folder, in the order of the inputs. A study before, or the frames of
// another video, are series of their own.

const MOST_SINGLES = 30; // items that are offered one by one

/** Of an item: its file where that has several frames, else its folder. */
export function seriesName(item) {
  const frame = item.lastIndexOf("#");
  return frame > 0 ? item.slice(0, frame) : item.slice(0, item.lastIndexOf("/") + 1);
}

export function seriesOf(slices) {
  const series = new Map();
  for (const slice of slices) {
    const name = seriesName(slice.item);
    series.set(name, [...(series.get(name) ?? []), slice]);
  }
  return series;
}

/** The slices among which an item is stepped through: its own series, or all of the group where it is alone in its series. */
export function ownSlices(slices, item) {
  const own = seriesOf(slices).get(seriesName(item)) ?? [];
  return own.length > 1 ? own : slices;
}

/**
 * What there is to compare an item with in its group, as choices: of each other series the slice that lies as far along, moved by
 * `shift` slices; of its own series the neighbours; where the group is small, every item.
 */
export function groupChoices(slices, item, shift = 0) {
  const series = seriesOf(slices);
  const own = series.get(seriesName(item)) ?? [];
  const place = own.findIndex((slice) => slice.item === item);
  const others = [...series].filter(([name, members]) => name !== seriesName(item) && members.length > 1);
  const choices = others.map(([name, members]) => {
    const at = matching(place, own.length, members.length, shift);
    return choiceOf(`series/${name}`, members[at].item, `${name} (${at + 1} of ${members.length})`);
  });
  for (const [key, by, text] of [
    ["before", -1, "the one before"],
    ["after", 1, "the one after"],
  ]) {
    const neighbour = own[place + by];
    if (neighbour) choices.push(choiceOf(`group/${key}`, neighbour.item, `${text}: ${neighbour.item}`));
  }
  if (slices.length <= MOST_SINGLES) {
    const single = slices.filter((slice) => slice.item !== item);
    choices.push(...single.map((slice) => choiceOf(`item/${slice.item}`, slice.item, slice.item)));
  }
  return choices;
}

function matching(place, own, count, shift) {
  const along = own > 1 ? place / (own - 1) : 0;
  return Math.min(Math.max(Math.round(along * (count - 1)) + shift, 0), count - 1);
}

function choiceOf(key, item, label) {
  return { key, name: key, label, title: `same group: ${item}`, query: { item } };
}
