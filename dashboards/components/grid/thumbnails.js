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

/** Thumbnails are requested together for all cells that were made together, and are kept. */
export class Thumbnails {
  constructor(run, onError) {
    Object.assign(this, { run, onError });
    this.urls = new Map(); // name -> URL of its blob
    this.waiting = new Map(); // name -> images without their picture
  }

  /** An image that shows the thumbnail once it is here. */
  image(name) {
    const image = make("img", { alt: "", draggable: "false" });
    if (this.urls.has(name)) image.src = this.urls.get(name);
    else this.wait(name, image);
    return image;
  }

  wait(name, image) {
    if (!this.waiting.size) queueMicrotask(() => this.fetchWaiting());
    this.waiting.set(name, [...(this.waiting.get(name) ?? []), image]);
  }

  async fetchWaiting() {
    const { waiting } = this;
    this.waiting = new Map();
    const names = [...waiting.keys()];
    for (let start = 0; start < names.length; start += AT_ONCE) {
      await this.fetch(names.slice(start, start + AT_ONCE), waiting);
    }
  }

  async fetch(names, waiting) {
    try {
      const content = await requestBytes(routeUrl(this.run, "thumbnails", { names: names.join(",") }));
      for (const [k, picture] of splitThumbnails(content).entries()) {
        const url = this.keep(names[k], picture);
        for (const image of waiting.get(names[k])) image.src = url;
      }
    } catch (error) {
      this.onError(error);
    }
  }

  keep(name, picture) {
    if (this.urls.size > MOST_KEPT) this.discardOldest();
    const url = URL.createObjectURL(new Blob([picture], { type: "image/webp" }));
    this.urls.set(name, url);
    return url;
  }

  discardOldest() {
    for (const [name, url] of [...this.urls].slice(0, DISCARDED_AT_ONCE)) {
      URL.revokeObjectURL(url);
      this.urls.delete(name);
    }
  }
}
