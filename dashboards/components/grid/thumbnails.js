import { make } from "../shared/dom.js";
import { requestBytes, routeUrl } from "../shared/requests.js";

const AT_ONCE = 100; // pictures in one request
const MOST_KEPT = 4000;
const DISCARDED_AT_ONCE = 2000;

/** The pictures of one answer: a uint32, how long the JSON list of lengths behind it is, that list, and the pictures. */
export function splitThumbnails(content) {
  const [size] = new Uint32Array(content, 0, 1);
  const lengths = JSON.parse(new TextDecoder().decode(new Uint8Array(content, 4, size)));
  let start = 4 + size;
  return lengths.map((length) => {
    const picture = content.slice(start, start + length);
    start += length;
    return picture;
  });
}

/** Thumbnails, plain or with their maps, are requested together for all cells that were made together, and are kept. */
export class Thumbnails {
  constructor(run, onError) {
    Object.assign(this, { run, onError });
    this.withMaps = false;
    this.urls = new Map(); // key -> URL of its blob
    this.waiting = new Map(); // key -> images without their picture
  }

  /** An image that shows the thumbnail once it is here. */
  image(name) {
    const image = make("img", { alt: "", draggable: "false" });
    const key = `${this.withMaps ? 1 : 0}${name}`;
    if (this.urls.has(key)) image.src = this.urls.get(key);
    else this.wait(key, image);
    return image;
  }

  wait(key, image) {
    if (!this.waiting.size) queueMicrotask(() => this.fetchWaiting());
    this.waiting.set(key, [...(this.waiting.get(key) ?? []), image]);
  }

  async fetchWaiting() {
    const { waiting } = this;
    this.waiting = new Map();
    for (const kind of ["0", "1"]) {
      const keys = [...waiting.keys()].filter((key) => key.startsWith(kind));
      for (let start = 0; start < keys.length; start += AT_ONCE) {
        await this.fetch(kind, keys.slice(start, start + AT_ONCE), waiting);
      }
    }
  }

  async fetch(kind, keys, waiting) {
    try {
      const names = keys.map((key) => key.slice(1)).join(",");
      const content = await requestBytes(
        routeUrl(this.run, "thumbnails", kind === "1" ? { names, maps: 1 } : { names }),
      );
      for (const [k, picture] of splitThumbnails(content).entries()) {
        const url = this.keep(keys[k], picture);
        for (const image of waiting.get(keys[k])) image.src = url;
      }
    } catch (error) {
      this.onError(error);
    }
  }

  keep(key, picture) {
    if (this.urls.size > MOST_KEPT) this.discardOldest();
    const url = URL.createObjectURL(new Blob([picture], { type: "image/webp" }));
    this.urls.set(key, url);
    return url;
  }

  discardOldest() {
    for (const [key, url] of [...this.urls].slice(0, DISCARDED_AT_ONCE)) {
      URL.revokeObjectURL(url);
      this.urls.delete(key);
    }
  }
}
