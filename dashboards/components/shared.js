// What both components share: asking the routes, and making elements. Text is only ever set as textContent: names and
// messages come from files that nobody has vouched for.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "text") element.textContent = value;
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function address(run, what, query = {}) {
  return `/oddpixel/runs/${encodeURIComponent(run)}/${what}?${new URLSearchParams(query)}`;
}

async function ask(url, options = {}) {
  const response = await fetch(url, { credentials: "same-origin", ...options });
  if (response.ok) return response;
  let message = `${response.status} ${response.statusText}`;
  try {
    message = (await response.json()).error.message;
  } catch {
    // not ours: the status says it
  }
  throw new Error(message);
}

async function send(url, ticket, content) {
  const headers = { "content-type": "application/json", "x-oddpixel-ticket": ticket };
  return (await ask(url, { method: "POST", headers, body: JSON.stringify(content) })).json();
}

function typing(event) {
  const target = event.composedPath()[0];
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

function number(value, digits = 3) {
  return value === null || value === undefined ? "–" : String(Number(Number(value).toPrecision(digits)));
}

// Keys that do something, with what they do: one list for the handler and for the help.
function helpDialog(keys, title) {
  const rows = keys.map(([key, , meaning]) => make("tr", {}, make("th", { text: key }), make("td", { text: meaning })));
  const dialog = make("dialog", { class: "help", "aria-label": title }, make("h2", { text: title }), make("table", {}, ...rows));
  dialog.append(make("form", { method: "dialog" }, make("button", { text: "Close" })));
  return dialog;
}
