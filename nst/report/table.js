const sorting = { name: "index", down: false };
const HIDDEN = ["index", "folder", "instrument"];

/** Returns the columns that are shown: all, or those that are neither of single layers nor empty. */
function tableColumns(every) {
  if (every) return columns;
  const isKnown = (name) => runs.some((run) => valueOf(run, name) != null);
  return columns.filter((name) => !HIDDEN.includes(name) && !name.includes("/") && isKnown(name));
}

const tableRows = (shown) => [...shown].sort(comparer(sorting.name, sorting.down));

function drawTable(shown, { every }) {
  const names = tableColumns(every);
  const head = el("tr", {}, names.map((name) => {
    const order = sorting.name === name ? (sorting.down ? "descending" : "ascending") : null;
    const meaning = measures.find((measure) => measure.name === name)?.meaning;
    return el("th", { scope: "col", "aria-sort": order, class: measureNames.includes(name) ? "number" : "" },
      el("button", { type: "button", "data-sort": name, title: meaning, onclick: () => sortTable(name) }, name));
  }));
  const body = tableRows(shown).map((run) => el("tr", {}, names.map((name) => tableCell(run, name))));
  byId("table").replaceChildren(el("table", { class: "rows" },
    el("caption", { class: "offscreen" }, "All runs; the buttons in the header sort the table"),
    el("thead", {}, head), el("tbody", {}, body)));
}

function tableCell(run, name) {
  const value = valueOf(run, name);
  if (name === "name") {
    return el("th", { scope: "row" }, el("button", {
      type: "button", class: "pick", "data-run": run.id, "data-mark": MARKS[selected.indexOf(run.id)],
      "aria-pressed": String(selected.includes(run.id)), onclick: () => select(run.id),
    }, value));
  }
  if (name === "status") return el("td", {}, el("span", { class: "status", "data-status": value }, value));
  const number = measureNames.includes(name);
  return el("td", { class: number ? "number" : name === "error" ? "error" : "" },
    value == null ? "" : number && isNumber(value) ? short(value) : show(inert(value)));
}

/** Returns a value, with an apostrophe before a text that a spreadsheet would run as a formula. */
function inert(value) {
  return typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
}

function sortTable(name) {
  Object.assign(sorting, { down: sorting.name === name && !sorting.down, name });
  update();
  document.querySelector(`[data-sort="${CSS.escape(name)}"]`)?.focus();
  announce(`Sorted by ${name}, ${sorting.down ? "descending" : "ascending"}`);
}

/** Returns the table as CSV (RFC 4180) with every digit. */
function asCsv(shown, names) {
  const cell = (value) => {
    const text = value == null ? "" : typeof value === "object" ? JSON.stringify(value) : String(inert(value));
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [names, ...tableRows(shown).map((run) => names.map((name) => valueOf(run, name)))];
  return lines.map((line) => line.map(cell).join(",") + "\r\n").join("");
}

/** Returns the table as Markdown, with numbers rounded as on the page. */
function asMarkdown(shown, names) {
  const cell = (value) => (value == null ? "" : isNumber(value) ? short(value) : show(inert(value)))
    .replaceAll("\\", "\\\\").replaceAll("|", "\\|").replace(/\s*\n\s*/g, " ");
  const rule = names.map((name) => (measureNames.includes(name) ? "---:" : "---"));
  const lines = tableRows(shown).map((run) => names.map((name) => cell(valueOf(run, name))));
  return [names.map(cell), rule, ...lines].map((line) => `| ${line.join(" | ")} |\n`).join("");
}
