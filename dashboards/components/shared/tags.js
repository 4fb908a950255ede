import { postJson, routeUrl } from "./requests.js";

const AT_ONCE = 1000; // items; the server takes no more

/** The ticket of a component, the name that it asks for, and what its visitor may do. */
export class Tagger {
  /** @param parts - author, permission, status, and `ticket`, which tells the ticket. */
  constructor(run, parts) {
    Object.assign(this, { run, ...parts });
  }

  /** Asks for a tag, and puts it on items or takes it off; resolves to what the server says: tags of items, and counts by tag. */
  async ask(items) {
    if (!items.length || !this.permission.isGiven()) return null;
    if (!(await this.author.known())) {
      this.status.show("Nothing was tagged: tags need a name.");
      return null;
    }
    const given = prompt(`A tag for ${describeItems(items)}; with a - before it, it is taken off:`)?.trim();
    if (!given) return null;
    const off = given.startsWith("-");
    try {
      const said = await sendTag(this.run, this.ticket(), { tag: given.slice(off), off, items });
      this.status.show(`${said.tag}: ${off ? "taken off" : "put on"} ${describeItems(items)}`);
      return said;
    } catch (error) {
      this.status.showError(`Not tagged: ${error.message}`);
      return null;
    }
  }
}

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

function describeItems(items) {
  return items.length === 1 ? items[0] : `${items.length} items`;
}
