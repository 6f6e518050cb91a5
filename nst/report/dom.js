"use strict";

const byId = (id) => document.getElementById(id);

/** An element. Children are nodes or texts, so that nothing of a config or an error is read as HTML. */
function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same of SVG. */
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

/** A button; most have only a text and do one thing. */
function button(text, onclick, attributes = {}) {
  return el("button", { type: "button", onclick, ...attributes }, text);
}

/** Says that there is nothing to see, and why. */
const emptyNote = (text) => el("p", { class: "empty" }, text);

/** A long name that may be broken after its signs, and there only if it can be helped. */
function breakable(text) {
  return String(text).split(/(?<=[,/]|\.(?=\D))/).map((part) => [part, el("wbr")]);
}

/** Gives a <select> its options: [value, text] pairs. */
function setOptions(select, pairs, value) {
  select.replaceChildren(...pairs.map(([key, text]) => el("option", { value: key }, text)));
  select.value = value;
}

/** Says something to everybody: seen for a while, and read aloud. */
function say(text) {
  const toast = document.querySelector("dialog[open] .toast") ?? byId("toast");
  toast.replaceChildren(el("span", {}, text));
}

/** Puts a text on the clipboard; a page from the disk may not have the new way, so there is the old one. */
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
    if (!done) return say(`The browser does not let this page copy ${what}`);
  }
  say(`Copied ${what}`);
}

/** A number as a person reads it; exact for those that were typed. */
function short(value) {
  if (!Number.isFinite(value)) return show(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e6) return String(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(2).replace("e+", "e");
  return String(Number(value.toPrecision(size >= 1000 ? 5 : 4)));
}

/** Any value of a config or a table as text. */
function show(value) {
  if (value == null) return "–";
  if (value === "") return "(empty)";
  if (Array.isArray(value)) return value.length ? value.map(show).join(" ") : "(none)";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
