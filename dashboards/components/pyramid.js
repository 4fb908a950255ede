// A picture in tiles: level 0 has all pixels, each further one half of them. Drawn at any size; a tile that is not here yet is asked
// for once, and what is coarser is shown until it comes.
const MOST_TILES = 400;

class Pyramid {
  // `query` names the picture to the routes `facts` and `tile`; `tiles` may be shared by several pictures; `changed` is called when a
  // tile has come, `failed` with an error.
  constructor(run, query, facts, { tiles, changed, failed }) {
    Object.assign(this, { run, query, facts, tiles, changed, failed });
    this.name = new URLSearchParams(query).toString();
  }

  tile(level, column, row) {
    const key = `${this.name}/${level}/${column}/${row}`;
    if (!this.tiles.has(key)) {
      if (this.tiles.size > MOST_TILES) for (const old of [...this.tiles.keys()].slice(0, 100)) this.tiles.delete(old);
      this.tiles.set(key, null);
      this.fetch(level, column, row).then((tile) => {
        this.tiles.set(key, tile);
        this.changed();
      }).catch((error) => {
        this.tiles.delete(key);
        this.failed(error);
      });
    }
    return this.tiles.get(key);
  }

  async fetch(level, column, row) {
    const { kind, width, tile } = this.facts;
    const response = await ask(address(this.run, "tile", { ...this.query, level, column, row }));
    if (kind !== "values") return { picture: await createImageBitmap(await response.blob(), { colorSpaceConversion: "none", premultiplyAlpha: "none" }) };
    const values = new Float32Array(await response.arrayBuffer());
    const wide = Math.min(tile, Math.ceil(width / 2 ** level) - column * tile);
    return { values, wide, high: values.length / wide };
  }

  // `look`: window [black, white] and whether it is inverted, for values; `known` bounds what is told apart, null for no bounds
  picture(tile, { window: [low, high], inverted, known }) {
    if (tile.picture) return tile.picture;
    const look = `${low}/${high}/${inverted}/${known}`;
    if (tile.look !== look) {
      const [least, most] = known ?? [-Infinity, Infinity];
      const canvas = tile.canvas ?? new OffscreenCanvas(tile.wide, tile.high);
      const context = canvas.getContext("2d");
      const image = context.createImageData(tile.wide, tile.high);
      const bytes = new Uint32Array(image.data.buffer);
      const scale = 255 / (high - low);
      for (let k = 0; k < bytes.length; k++) {
        let grey = (Math.min(Math.max(tile.values[k], least), most) - low) * scale;
        grey = grey < 0 ? 0 : grey > 255 ? 255 : Math.round(grey);
        if (inverted) grey = 255 - grey;
        bytes[k] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
      }
      context.putImageData(image, 0, 0);
      Object.assign(tile, { canvas, look });
    }
    return tile.canvas;
  }

  // Onto a canvas of `width` x `height` with `ratio` device pixels each; the picture's corner is at `left`, `top`, and its pixels are
  // `across` x `down`. Returns whether every tile was here.
  draw(context, { left, top, across, down, width, height, ratio }, look) {
    const { facts } = this;
    let complete = true;
    const closeness = Math.max(across, down) * ratio; // screen pixels a pixel
    const level = Math.min(Math.max(Math.floor(Math.log2(1 / closeness) + 0.25), 0), facts.levels - 1);
    context.imageSmoothingEnabled = closeness < 2;
    // The coarsest level first, then the one with about a pixel for each of the screen's.
    for (const each of new Set([facts.levels - 1, level])) {
      const size = facts.tile * 2 ** each;
      const clamp = (value, count) => Math.min(Math.max(Math.floor(value), 0), count - 1);
      const [columns, rows] = [Math.ceil(facts.width / size), Math.ceil(facts.height / size)];
      for (let row = clamp(-top / down / size, rows); row <= clamp((height - top) / down / size, rows); row++) {
        for (let column = clamp(-left / across / size, columns); column <= clamp((width - left) / across / size, columns); column++) {
          const tile = this.tile(each, column, row);
          if (!tile) {
            complete = false;
            continue;
          }
          const wide = Math.min(size, facts.width - column * size);
          const high = Math.min(size, facts.height - row * size);
          context.drawImage(this.picture(tile, look), left + column * size * across, top + row * size * down, wide * across, high * down);
        }
      }
    }
    return complete;
  }

  // The value of a pixel, out of the finest tile that is here, as text; undefined where none is
  value(x, y) {
    const { width, height, levels, tile, unit } = this.facts;
    if (x < 0 || y < 0 || x >= width || y >= height) return undefined;
    for (let level = 0; level < levels; level++) {
      const [u, v] = [x >> level, y >> level];
      const found = this.tiles.get(`${this.name}/${level}/${Math.floor(u / tile)}/${Math.floor(v / tile)}`);
      if (!found) continue;
      const sign = level ? "≈" : "=";
      if (found.values) return `${sign} ${number(found.values[(v % tile) * found.wide + (u % tile)], 5)} ${unit === "HU" ? "HU" : ""}`;
      this.scratch ??= new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
      this.scratch.drawImage(found.picture, -(u % tile), -(v % tile));
      const [r, g, b] = this.scratch.getImageData(0, 0, 1, 1).data;
      return `${sign} ${r === g && g === b ? r : `${r}, ${g}, ${b}`}`;
    }
    return undefined;
  }
}
