const MOST_CELLS = 4000;

/** Draws the pictures in a table by two fields, or in groups by one. `where` restricts the other fields. */
function drawGrid(shown, { rows, columns, where, measure, best }) {
  const others = otherFields(rows, columns);
  const chosen = others.filter((field) => where[field] != null);
  const here = shown.filter((run) => chosen.every((field) => places(field).of[run.id] === where[field]));
  const free = others.filter((field) => where[field] == null && !isTied(field, rows) && !isTied(field, columns));
  const pictures = (some) => some.sort(comparer(measure, better[measure] === "more"))
    .map((run) => card(run, { measure, best }, free.map((field) => noteOf(run, field)).join(", ")));
  const axis = [rows, columns].filter(Boolean);
  if (!here.length) return byId("grid").replaceChildren(emptyNote("No run matches the filter."));
  if (axis.length < 2) {
    return byId("grid").replaceChildren(groupsOf(here, axis[0], pictures));
  }
  const [down, across] = [split(here, rows), split(here, columns).map(([at]) => at)];
  if (down.length * across.length > MOST_CELLS) {
    const size = `${down.length} rows by ${across.length} columns`;
    return byId("grid").replaceChildren(emptyNote(`${size} are too many to draw: choose other fields, or filter the runs.`));
  }
  byId("grid").replaceChildren(tableOf(down, across, { rows, columns }, pictures));
}

/** Returns the fields that vary and are not an axis. */
function otherFields(rows, columns) {
  return fields.filter((field) => field !== rows && field !== columns && places(field).labels.length > 1);
}

/** Returns the value of a field for a caption; a number follows the field's name, without which it would be unclear. */
function noteOf(run, field) {
  const value = valueOf(run, field);
  return isNumber(value) ? `${field.split(".").at(-1)} ${short(value)}` : placeLabel(run, field);
}

/** Returns whether the place along an axis decides a field's value, as when each photograph has its own painting. */
function isTied(field, axis) {
  const isOne = (some) => new Set(some.map((run) => JSON.stringify(valueOf(run, field)))).size === 1;
  return axis && split(runs, axis).every(([, some]) => isOne(some));
}

/** Returns [number of a place, its runs] for every place along a field that has runs. */
function split(some, field) {
  const { labels, of } = places(field);
  const found = labels.map((_, at) => [at, []]);
  for (const run of some) found[of[run.id]][1].push(run);
  return found.filter(([, there]) => there.length);
}

function groupsOf(here, field, pictures) {
  const group = (name, title, some) =>
    el("section", { "aria-label": name }, title, el("div", { class: "cell" }, pictures(some)));
  if (!field) return group("All runs", null, here);
  const { labels } = places(field);
  return el("div", { class: "flow groups" }, split(here, field).map(([at, some]) =>
    group(`${fieldName(field)} ${labels[at]}`, el("h3", {}, breakable(labels[at])), some)));
}

function tableOf(down, across, { rows, columns }, pictures) {
  const head = [
    el("tr", { class: "names" }, el("td", {}), el("th", { scope: "colgroup", colspan: across.length }, fieldName(columns))),
    el("tr", {}, el("th", { scope: "col", class: "corner" }, breakable(fieldName(rows))),
      across.map((at) => el("th", { scope: "col" }, breakable(places(columns).labels[at])))),
  ];
  const body = down.map(([place, some]) => {
    const cells = new Map(split(some, columns));
    const cell = (at) => cells.has(at) ? el("div", { class: "cell" }, pictures(cells.get(at)))
      : el("span", { class: "none", title: "no such point" }, "·");
    return el("tr", {}, el("th", { scope: "row" }, breakable(places(rows).labels[place])),
      across.map((at) => el("td", {}, cell(at))));
  });
  return el("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Grid of pictures" },
    el("table", { class: "grid" },
      el("caption", { class: "offscreen" }, `Pictures, ${fieldName(rows)} in rows and ${fieldName(columns)} in columns`),
      el("thead", {}, head), el("tbody", {}, body)));
}

/** Returns the size of thumbnails, in pixels, with which the view is as wide as the page. */
function fittingSize({ view, columns, rows }) {
  const available = byId("panels").clientWidth;
  if (view !== "grid" || !columns || !rows) return Math.min(176, Math.floor(available / 2) - 40);
  const across = places(columns).labels.length;
  const inCell = Math.min(3, Math.ceil(runs.length / (across * places(rows).labels.length)));
  const width = (available - 190) / across - 18; // of a cell; the names of the rows take 190 px
  return Math.round(Math.max(84, Math.min(256, width / inCell - 8)));
}

/**
 * Returns the rows and columns to begin with: the two fields with which the fewest runs share a cell. The one with
 * more values makes the columns, if they fit.
 */
function firstAxes() {
  const varying = fields.filter((field) => places(field).labels.length > 1);
  if (varying.length < 2) return { rows: "", columns: varying[0] ?? "" };
  const pairs = varying.flatMap((a, i) => varying.slice(i + 1).map((b) => [a, b, filledCells(a, b)]));
  const [a, b] = pairs.reduce((best, pair) => (pair[2] > best[2] ? pair : best));
  const [few, many] = [a, b].sort((x, y) => places(x).labels.length - places(y).labels.length);
  return places(many).labels.length <= 9 ? { rows: few, columns: many } : { rows: many, columns: few };
}

const filledCells = (a, b) => split(runs, a).reduce((count, [, some]) => count + split(some, b).length, 0);

/** Draws a selector for each field that is not an axis. */
function drawSelectors(state, changed) {
  byId("where").replaceChildren(...otherFields(state.rows, state.columns).map((field) => {
    const select = el("select", { "data-field": field, onchange: () => changed(field, select.value) });
    const options = places(field).labels.map((label, at) => [at, label]);
    setOptions(select, [["", "any"], ...options], state.where[field] ?? "");
    return el("label", {}, fieldName(field), " ", select);
  }));
}

/** Draws the pictures in the order of a measure. */
function drawList(shown, { measure, order, best }) {
  const sorted = [...shown].sort(comparer(measure, order === "down"));
  byId("list").replaceChildren(...sorted.map((run) => card(run, { measure, best }, run.row.name)),
    sorted.length ? "" : emptyNote("No run matches the filter."));
}
