import { make, setVisible } from "../shared/dom.js";
import { clamp } from "../shared/numbers.js";
import { input, labelled } from "../shared/toolbar.js";
import { cssGradient } from "./colour-map.js";
import { BRIGHTEST, onePlaceIn } from "./heat-map.js";
import { rarityText } from "./probe.js";

const LONGEST = 6; // one place in a million

/** The legend of the map, which is the slider of its threshold as well, and how much of its colours is seen. */
export class MapBar {
  constructor(onChange) {
    this.onChange = onChange;
    this.threshold = null;
    const move = (value) => this.moveTo(Number(value));
    this.slider = input("range", "Threshold of the map", {
      min: 0,
      max: BRIGHTEST,
      step: 0.01,
      value: 0,
      oninput: move,
    });
    this.ticks = make("div", { class: "ticks", "aria-hidden": "true" });
    this.track = make("div", { class: "track" }, this.slider, this.ticks);
    this.reset = make("button", {
      text: "Rule",
      title: "Back to the threshold of the run's rule",
      onclick: () => this.useRule(),
    });
    this.said = make("span", { class: "said" });
    const colours = { class: "colours", min: 0, max: 1, step: 0.01, value: 0, oninput: () => this.onChange() };
    this.colours = input("range", "Opacity of the map", colours);
    const title = "How rare among normal images, on one scale for all images; ticks of a contour point to its odd side";
    const legend = make("label", { title }, "Map", this.track);
    this.element = make("div", { class: "map-bar" }, legend, this.said, this.reset, labelled("Colours", this.colours));
  }

  /** @param threshold - of the run's rule, null where it marks nothing; `places` of normal images are compared with. */
  open(threshold, places) {
    if (this.isOpen && threshold === this.rule && places === this.places) return;
    Object.assign(this, { rule: threshold, places, isOpen: true });
    this.end = clamp(Math.ceil(Math.max(BRIGHTEST, threshold ?? 0, Math.log10(places ?? 1))), BRIGHTEST, LONGEST);
    this.slider.max = this.end;
    const gradient = `${cssGradient()} left / ${(100 * BRIGHTEST) / this.end}% 100% no-repeat, rgb(252 255 164)`;
    this.track.style.setProperty("--gradient", gradient);
    const decades = Array.from({ length: this.end + 1 }, (_, k) => k);
    this.ticks.replaceChildren(...decades.map((k) => this.tick(k, decadeText(k))), ...this.ruleMark());
    if (threshold === null) this.colours.value = 0.6; // without contours the colours have to show it
    this.useRule();
  }

  tick(evidence, text, name = "tick") {
    return make("span", { class: name, style: `left:${(100 * evidence) / this.end}%`, text });
  }

  ruleMark() {
    return this.rule === null ? [] : [this.tick(this.rule, "", "rule")];
  }

  useRule() {
    this.moveTo(this.rule ?? this.end);
  }

  moveTo(threshold) {
    this.threshold = threshold;
    this.slider.value = threshold;
    const isRule = threshold === this.rule;
    const rarity = rarityText(onePlaceIn(threshold), this.places);
    const whose = isRule ? "the run's rule" : "not the run's rule";
    const none = this.rule === null && threshold >= this.end;
    const text = none
      ? "the run's rule marks no places"
      : `marked: ${rarity.replace(" of normal images is as odd", "")} (${whose})`;
    this.said.textContent = text;
    this.slider.setAttribute("aria-valuetext", none ? text : `${rarity}: ${whose}`);
    this.reset.disabled = isRule || none;
    this.onChange();
  }

  get opacity() {
    return Number(this.colours.value);
  }

  setVisible(isVisible) {
    setVisible(this.element, isVisible);
  }
}

function decadeText(k) {
  return k === 0 ? "all" : `1 in ${(10 ** k).toLocaleString("en", { notation: k > 3 ? "compact" : "standard" })}`;
}
