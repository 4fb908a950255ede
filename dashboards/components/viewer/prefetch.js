import { fit } from "./viewport.js";

const AHEAD = [1, -1, 2]; // places behind in the queue, the likeliest first

/** What a step through the queue may need next, asked for before it is taken. */
export class Prefetch {
  /** @param parts - `queue`, `facts`, `heatMaps`, `cases`, `openPyramid`, and `paneSize`, which tells where it will be drawn. */
  constructor(parts) {
    Object.assign(this, parts);
  }

  /** @param isCurrent - tells whether that is still worth while. */
  async around(item, isCurrent) {
    await this.queue.readAround(item).catch(() => {}); // whoever goes there learns of the error
    for (const by of AHEAD) {
      const row = this.queue.known(item, by);
      if (row && isCurrent()) await this.one(row).catch(() => {});
    }
  }

  async one({ item, map, error }) {
    const others = Promise.all([this.cases.get(item), this.heatMaps.get(item, map)]);
    others.catch(() => {});
    if (!error) this.askForTiles(item, await this.facts.get(item));
    await others;
  }

  askForTiles(item, facts) {
    const pane = this.paneSize();
    if (!pane.width) return;
    const { scale } = fit(facts, pane);
    const placement = { left: (pane.width - facts.width * scale) / 2, top: (pane.height - facts.height * scale) / 2 };
    const ratio = window.devicePixelRatio || 1;
    this.openPyramid({ item }, facts).prefetch({ ...placement, ...pane, scaleX: scale, scaleY: scale, ratio });
  }
}
