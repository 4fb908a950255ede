// Elements are built from data, never from markup: names and messages come from files that nobody has vouched for, so text
// is only ever set as textContent.

const SVG = "http://www.w3.org/2000/svg";

/** An element; attributes that begin with "on" are event listeners, "text" is the text content. */
export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function makeSvg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

export function makeOptions(options) {
  return options.map(([value, text]) => make("option", { value, text }));
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, value);
  element.append(...children);
  return element;
}

function setAttribute(element, name, value) {
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "text") element.textContent = value;
  else if (value === true) element.setAttribute(name, "");
  else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
}

export function setVisible(element, isVisible) {
  element.style.display = isVisible ? "" : "none";
}
