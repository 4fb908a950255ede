import { makeOptions, setVisible } from "../shared/dom.js";
import { requestJson, routeUrl } from "../shared/requests.js";
import { dropdown, labelled } from "../shared/toolbar.js";

/** The synthetic pictures of an item, of which one may be compared with the original. */
export class Comparison {
  /**
   * @param openPyramid - makes a pyramid of a query and facts.
   * @param onChange - called when another picture, or none, is compared with; with a display mode for a new picture.
   */
  constructor(run, { openPyramid, onChange, status }) {
    Object.assign(this, { run, openPyramid, onChange, status });
    this.clear();
    this.newest = undefined; // SHA-256 of the newest picture that was offered
    this.select = dropdown("Compare with", [], (name) => this.compare(name));
    this.element = labelled("Compare with", this.select);
  }

  /** Until pictures of the next item are offered. */
  clear() {
    this.pictures = [];
    this.chosen = undefined; // SHA-256 of the picture to compare with
    this.picture = null; // that picture with its pyramid, once its facts are here
  }

  /** Pictures of `item`, the newest first; one that is new is shown at once. */
  offer(item, pictures) {
    Object.assign(this, { item, pictures });
    this.select.replaceChildren(...makeOptions([["", "the map"], ...pictures.map(({ name, title }) => [name, title])]));
    setVisible(this.element, pictures.length > 0);
    const newest = pictures[0]?.sha256;
    const isNew = newest !== undefined && newest !== this.newest;
    this.newest = newest;
    if (isNew) return this.compare(pictures[0].name, "side");
    return this.compare(pictures.find(({ sha256 }) => sha256 === this.chosen)?.name ?? "");
  }

  /** @param name - of a picture that was offered; none for the heat map. */
  async compare(name, mode) {
    const picture = this.pictures.find((each) => each.name === name);
    this.select.value = picture ? name : "";
    this.chosen = picture?.sha256;
    if (this.picture?.sha256 !== this.chosen) this.picture = null;
    const opened = picture && !this.picture ? await this.open(picture) : this.picture;
    if (this.chosen !== picture?.sha256) return; // another was chosen meanwhile
    this.picture = opened;
    this.onChange(mode);
  }

  async open(picture) {
    // Its SHA-256 keeps an earlier picture of that name out of the browser's cache.
    const query = { item: this.item, synthetic: picture.name, sha256: picture.sha256 };
    try {
      const facts = await requestJson(routeUrl(this.run, "facts", query));
      return { ...picture, pyramid: this.openPyramid(query, facts) };
    } catch (error) {
      this.status.showError(`The synthetic picture cannot be shown: ${error.message}`);
      return null;
    }
  }
}
