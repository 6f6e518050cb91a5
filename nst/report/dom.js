"use strict";

const byId = (id) => document.getElementById(id);

/** Returns an element. Strings become text nodes, so that no name or error message is parsed as HTML. */
function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Returns an SVG element, as `el` does. */
function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return node;
}

/** Returns a button with a text. */
function button(text, onclick, attributes = {}) {
  return el("button", { type: "button", onclick, ...attributes }, text);
}

/** Returns a note that says why there is no content. */
const emptyNote = (text) => el("p", { class: "empty" }, text);

/** Returns a long name that the browser may break after a comma, slash or dot. */
function breakable(text) {
  return String(text).split(/(?<=[,/]|\.(?=\D))/).map((part) => [part, el("wbr")]);
}

/** Gives a <select> its options: [value, text] pairs. */
function setOptions(select, pairs, value) {
  select.replaceChildren(...pairs.map(([key, text]) => el("option", { value: key }, text)));
  select.value = value;
}

/** Shows a message for a while; screen readers read it aloud. */
function announce(text) {
  const toast = document.querySelector("dialog[open] .toast") ?? byId("toast");
  toast.replaceChildren(el("span", {}, text));
}

/** Copies a text. Where the browser refuses the clipboard API to a page from the disk, `execCommand` is used. */
async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el("textarea", { readonly: true, class: "offscreen" });
    const focused = document.activeElement;
    area.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    focused?.focus();
    if (!done) return announce(`The browser does not let this page copy ${what}`);
  }
  announce(`Copied ${what}`);
}

/** Returns a number with about four digits. Integers below a million keep all of theirs. */
function short(value) {
  if (!Number.isFinite(value)) return show(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e6) return String(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(2).replace("e+", "e");
  return String(Number(value.toPrecision(size >= 1000 ? 5 : 4)));
}

/** Returns any value of a config or a table as text. */
function show(value) {
  if (value == null) return "–";
  if (value === "") return "(empty)";
  if (Array.isArray(value)) return value.length ? value.map(show).join(" ") : "(none)";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
