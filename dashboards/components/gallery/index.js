// Files as cards: picture, name, and what was found about each, the current one marked. A click opens a file; arrow keys lead
// from card to card.
import { make } from "../shared/dom.js";
import { whileHere } from "../shared/leaving.js";
import { cardAfterKey } from "./keys.js";

/** Called by Streamlit at first and after every rerun. */
export default function mount({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".odd");
  const trigger = whileHere(setTriggerValue);
  const { scrollTop } = root.querySelector(".gallery") ?? { scrollTop: 0 };
  const hadFocus = Boolean(root.querySelector(":focus"));
  const cards = data.cards.map((card) => makeCard(card, data.current, (key) => trigger("open", key)));
  const list = make("ul", { class: "gallery", "aria-label": data.label }, ...cards);
  list.addEventListener("keydown", (event) => step(event, list));
  root.replaceChildren(list);
  list.scrollTop = scrollTop;
  const current = list.querySelector("[aria-current]");
  current?.scrollIntoView({ block: "nearest" });
  if (hadFocus) current?.focus();
}

function makeCard({ key, name, picture, verdict, tone }, current, onOpen) {
  const image = picture
    ? make("img", { src: picture, alt: "", loading: "lazy" })
    : make("span", { class: "none", text: "no picture" });
  const button = make(
    "button",
    { "aria-current": key === current ? "true" : null, title: name, onclick: () => onOpen(key) },
    make("span", { class: "image" }, image),
    make("span", { class: `tone ${tone}`, text: verdict }),
    make("span", { class: "name" }, make("bdi", { dir: "ltr", text: name })),
  );
  return make("li", {}, button);
}

function step(event, list) {
  const cards = [...list.querySelectorAll("button")];
  const columns = new Set(cards.map((card) => card.offsetLeft)).size;
  const next = cardAfterKey(cards.indexOf(event.target), event.key, cards.length, columns);
  if (next === undefined) return;
  event.preventDefault();
  cards[next].focus();
}
