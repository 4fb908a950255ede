import { postJson, routeUrl } from "../shared/requests.js";

const AT_ONCE = 1000; // items; the server takes no more

/** Puts a tag on items or takes it off, in parts; returns what the server says of all: tag, items -> tags, counts by tag. */
export async function sendTag(run, ticket, { tag, off, items }) {
  const said = { tag, items: {}, tags: {} };
  for (let start = 0; start < items.length; start += AT_ONCE) {
    const part = { tag, off, items: items.slice(start, start + AT_ONCE) };
    const { items: tagged, ...more } = await postJson(routeUrl(run, "tag"), ticket, part);
    Object.assign(said, more);
    Object.assign(said.items, tagged);
  }
  return said;
}

export function describeItems(items) {
  return items.length === 1 ? items[0] : `${items.length} items`;
}
