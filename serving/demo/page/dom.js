// Elements without markup in strings: nothing that a file or a model says can become a script.

export const byId = (id) => document.getElementById(id);

// Makes an element: `text`, `style` (an object), `on` (events) and `class` by name, everything else as attributes.
export function el(tag, { text, style, on, ...attributes } = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  if (text !== undefined) node.textContent = text;
  Object.assign(node.style, style);
  for (const [name, listener] of Object.entries(on ?? {})) node.addEventListener(name, listener);
  node.append(...children);
  return node;
}

export function svg(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export const percent = (value) => `${Math.round(100 * value)}\u00a0%`;
export const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
export const sentence = (text) => text[0].toUpperCase() + text.slice(1);
