// A histogram with a threshold that can be dragged, or moved with the arrow keys: how long the queue becomes is counted here while
// it moves, and by the run's table when it is let go.
export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const root = parentElement.querySelector(".odd");
  const [wide, high, left, bottom] = [Math.max(root.clientWidth, 320), 272, 46, 30];
  const { bins, threshold, up, label } = data;
  if (!bins.length) return void root.replaceChildren(make("p", { text: "There are no values to show." }));
  const [from, to] = [bins[0][0], bins[bins.length - 1][1]];
  const span = to - from || 1;
  const most = Math.max(...bins.map((bin) => bin[2]), 1);
  // Roots of counts: the few that matter would vanish beside the many that do not.
  const height = (count) => (Math.sqrt(count) / Math.sqrt(most)) * (high - bottom - 16);
  const x = (value) => left + ((value - from) / span) * (wide - left - 10);
  const svg = (tag, attributes, text) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const picture = svg("svg", { viewBox: `0 0 ${wide} ${high}`, width: wide, height: high, role: "slider", tabindex: 0, "aria-label": `Threshold on ${label}`, "aria-valuemin": from, "aria-valuemax": to });
  const columns = bins.map(([low, upper, count]) => svg("rect", { class: "column", x: x(low) + 0.5, width: Math.max(x(upper) - x(low) - 1, 1), y: high - bottom - height(count), height: height(count) }));
  picture.append(svg("line", { class: "axis", x1: left, x2: wide - 10, y1: high - bottom, y2: high - bottom }), ...columns);
  for (let k = 0; k <= 5; k++) picture.append(svg("text", { x: x(from + (span * k) / 5), y: high - 10, "text-anchor": k === 5 ? "end" : "middle" }, number(from + (span * k) / 5)));
  for (const part of [0.25, 0.5, 1]) picture.append(svg("text", { x: left - 6, y: high - bottom - height(most * part) + 4, "text-anchor": "end" }, number(most * part, 2)));
  const line = svg("line", { class: "line", y1: 6, y2: high - bottom });
  const handle = svg("circle", { class: "handle", cy: 12, r: 8 });
  picture.append(line, handle);
  const queue = make("div", { class: "queue", role: "status", "aria-live": "polite" });
  root.replaceChildren(queue, picture);
  let now = Math.min(Math.max(threshold, from), to);

  function show(exact) {
    for (const [k, [low, upper]] of bins.entries()) columns[k].classList.toggle("beyond", up ? (low + upper) / 2 >= now : (low + upper) / 2 <= now);
    line.setAttribute("x1", x(now));
    line.setAttribute("x2", x(now));
    handle.setAttribute("cx", x(now));
    picture.setAttribute("aria-valuenow", now);
    let count = exact;
    if (count === undefined) {
      count = 0;
      for (const [low, upper, all] of bins) {
        const part = Math.min(Math.max((now - low) / (upper - low || 1), 0), 1);
        count += all * (up ? 1 - part : part);
      }
    }
    queue.textContent = `${label} ${up ? "≥" : "≤"} ${number(now, 4)}: ${exact === undefined ? "about " : ""}${Math.round(count)} items in the queue`;
  }

  function move(event) {
    const { left: start, width } = picture.getBoundingClientRect();
    const place = ((event.clientX - start) / width) * wide;
    now = Math.min(Math.max(from + ((place - left) / (wide - left - 10)) * span, from), to);
    show();
  }

  picture.onpointerdown = (event) => {
    picture.setPointerCapture(event.pointerId);
    move(event);
    picture.onpointermove = move;
  };
  picture.onpointerup = () => {
    picture.onpointermove = null;
    setStateValue("threshold", now);
  };
  picture.onkeydown = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10 }[event.key];
    if (!step) return;
    event.preventDefault();
    now = Math.min(Math.max(now + (step * span) / 200, from), to);
    show();
    clearTimeout(picture.timer);
    picture.timer = setTimeout(() => setStateValue("threshold", now), 300);
  };
  show(data.count);
}
