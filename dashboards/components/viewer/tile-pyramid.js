// An image in tiles, drawn at any size: a tile that is missing is requested once, and coarser ones show until it comes.
import { request, routeUrl } from "../shared/requests.js";
import { columnsOf, levelFor, visibleTiles } from "./tile-grid.js";
import { paintGrey } from "./window-level.js";

const MOST_TILES = 400;
const DISCARDED_AT_ONCE = 100;
const SMOOTH_BELOW = 2; // device pixels per image pixel; from there on pixels are shown as squares

export class TilePyramid {
  /**
   * @param query - names the image to the routes `facts` and `tile`.
   * @param cache - a Map of tiles that several images may share.
   * @param onTile - called when a tile has come; `onError` with what went wrong.
   */
  constructor(run, query, facts, { cache, onTile, onError }) {
    Object.assign(this, { run, query, facts, cache, onTile, onError });
    this.name = new URLSearchParams(query).toString();
  }

  /**
   * Draws what is in sight.
   * @param placement - as for `visibleTiles`, and `ratio`: device pixels per CSS pixel.
   * @param look - how values are shown, as for `paintGrey`.
   * @returns whether every tile was there.
   */
  draw(context, placement, look) {
    context.imageSmoothingEnabled = magnificationOf(placement) < SMOOTH_BELOW;
    let isComplete = true;
    for (const place of this.placesOf(placement)) {
      const tile = this.tile(place);
      if (tile) context.drawImage(rasterOf(tile, look), place.left, place.top, place.width, place.height);
      else isComplete = false;
    }
    return isComplete;
  }

  /** Asks for the tiles of what will be drawn. */
  prefetch(placement) {
    for (const place of this.placesOf(placement)) this.tile(place);
  }

  /** The tiles in sight, coarse ones first. */
  *placesOf(placement) {
    const { levels } = this.facts;
    for (const level of new Set([levels - 1, levelFor(magnificationOf(placement), levels)])) {
      yield* visibleTiles(this.facts, level, placement);
    }
  }

  /** The pixel from the finest tile that is there: {level, channels, unit}; undefined where none is. */
  pixel(x, y) {
    const { width, height, levels, tile: size, unit } = this.facts;
    if (x < 0 || y < 0 || x >= width || y >= height) return undefined;
    for (let level = 0; level < levels; level++) {
      const [u, v] = [x >> level, y >> level];
      const tile = this.cache.get(this.key(level, Math.floor(u / size), Math.floor(v / size)));
      if (tile) return { level, channels: channelsOf(tile, u % size, v % size), unit };
    }
    return undefined;
  }

  tile({ level, column, row }) {
    const key = this.key(level, column, row);
    if (!this.cache.has(key)) this.request(key, level, column, row);
    return this.cache.get(key);
  }

  async request(key, level, column, row) {
    discardOldest(this.cache);
    this.cache.set(key, null);
    try {
      this.cache.set(key, await this.load(level, column, row));
      this.onTile();
    } catch (error) {
      this.cache.delete(key);
      this.onError(error);
    }
  }

  async load(level, column, row) {
    const response = await request(routeUrl(this.run, "tile", { ...this.query, level, column, row }));
    if (this.facts.kind !== "values") return { bitmap: await bitmapOf(await response.blob()) };
    const values = new Float32Array(await response.arrayBuffer());
    const width = columnsOf(this.facts, level, column);
    return { values, width, height: values.length / width };
  }

  key(level, column, row) {
    return `${this.name}/${level}/${column}/${row}`;
  }
}

function magnificationOf({ scaleX, scaleY, ratio }) {
  return Math.max(scaleX, scaleY) * ratio;
}

function discardOldest(cache) {
  if (cache.size <= MOST_TILES) return;
  for (const key of [...cache.keys()].slice(0, DISCARDED_AT_ONCE)) cache.delete(key);
}

/** The stored values: neither a colour profile nor transparency changes them. */
function bitmapOf(blob) {
  return createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
}

/** What a tile is drawn from; values are painted anew only when their look changes. */
function rasterOf(tile, look) {
  if (tile.bitmap) return tile.bitmap;
  const key = JSON.stringify(look);
  if (tile.look !== key) {
    tile.canvas = paintedTile(tile, look);
    tile.look = key;
  }
  return tile.canvas;
}

function paintedTile({ values, width, height, canvas = new OffscreenCanvas(width, height) }, look) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  paintGrey(values, look, new Uint32Array(image.data.buffer));
  context.putImageData(image, 0, 0);
  return canvas;
}

let onePixel;

function channelsOf({ values, width, bitmap }, u, v) {
  if (values) return [values[v * width + u]];
  onePixel ??= new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  onePixel.globalCompositeOperation = "copy"; // nothing of the pixel before
  onePixel.drawImage(bitmap, -u, -v);
  return [...onePixel.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}
