const VIEWS = ["grid", "list", "scatter", "table"];
const preferred = (...names) => names.find((name) => measureNames.includes(name)) ?? measureNames[0] ?? "";
const INITIAL = {
  view: "grid", ...firstAxes(), measure: preferred("style", "loss"), order: "up", filter: "", size: "",
  across: preferred("content"), up: preferred("style", "loss"),
  colour: fields.find((field) => places(field).labels.length > 1 && canColour(field)) ?? "", every: "",
};
const state = { ...INITIAL, where: {} };
const DRAW = { grid: drawGrid, list: drawList, scatter: drawScatter, table: drawTable };

let shownRuns = runs;

/** Draws the view with the runs that match the filter. */
function update() {
  const input = byId("filter");
  let problem = "";
  try {
    shownRuns = runs.filter(parseFilter(state.filter));
  } catch (error) {
    problem = error.message; // while a filter is being typed, the runs of the last valid one stay
  }
  input.setAttribute("aria-invalid", String(Boolean(problem)));
  const part = shownRuns.length === runs.length ? "" : `${shownRuns.length} of `;
  byId("shown").textContent = problem || `${part}${runs.length} runs`;
  document.body.dataset.view = state.view;
  state.best = bestOf(shownRuns, state.measure);
  fitThumbnails();
  DRAW[state.view](shownRuns, state);
  saveView();
}

/** Sets the size of the thumbnails to the user's choice, or to one that fits. */
function fitThumbnails() {
  const size = state.size || fittingSize(state);
  byId("size").value = size;
  document.documentElement.style.setProperty("--thumb", `${size}px`);
}

/** Saves the view in the address of the page, so that it survives a reload and can be shared. */
function saveView() {
  const changed = Object.entries(state).filter(([name, value]) => name in INITIAL && value !== INITIAL[name]);
  if (selected.length) changed.push(["runs", selected.map((id) => runs[id].row.index).join(" ")]);
  history.replaceState(null, "", `#${new URLSearchParams(changed)}`);
}

/** Restores the view from the address of the page; values that this report does not have are ignored. */
function restoreView() {
  const maybeField = ["", ...fields];
  const known = {
    view: VIEWS, rows: maybeField, columns: maybeField, colour: maybeField,
    measure: measureNames, across: measureNames, up: measureNames, order: ["up", "down"],
  };
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
    if (Object.hasOwn(INITIAL, name) && (known[name]?.includes(value) ?? true)) state[name] = value;
    if (name !== "runs") continue;
    const found = value.split(" ").map((index) => runs.find((run) => String(run.row.index) === index)?.id);
    selected.push(...new Set(found.filter((id) => id != null).slice(0, 2)));
  }
}

function showView(name, focus) {
  state.view = name;
  for (const view of VIEWS) {
    const here = view === name;
    byId(`tab-${view}`).setAttribute("aria-selected", String(here));
    byId(`tab-${view}`).tabIndex = here ? 0 : -1;
    byId(`panel-${view}`).hidden = !here;
  }
  if (focus) byId(`tab-${name}`).focus();
  update();
}

function wireTabs() {
  for (const view of VIEWS) {
    byId(`tab-${view}`).addEventListener("click", () => showView(view));
    byId(`tab-${view}`).addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) showView(VIEWS.at((VIEWS.indexOf(view) + step) % VIEWS.length), true);
    });
  }
}

/** Binds a control to a field of the state; `also` is called before the view is drawn. */
function bind(id, name, options, also = () => {}) {
  if (options) setOptions(byId(id), options, state[name]);
  else byId(id).value = state[name];
  byId(id).addEventListener(byId(id).type === "search" ? "input" : "change", () => {
    state[name] = byId(id).value;
    also(name);
    update();
  });
}

function wireAxes() {
  const axes = [["", "(none)"], ...fields.map((field) => [field, fieldName(field)])];
  const selectors = () => drawSelectors(state, (field, value) => {
    state.where[field] = value === "" ? null : Number(value);
    update();
  });
  const settle = (changed) => {
    const other = changed === "rows" ? "columns" : "rows";
    if (state.rows === state.columns) state[other] = "";
    byId("rows").value = state.rows;
    byId("columns").value = state.columns;
    selectors();
  };
  bind("rows", "rows", axes, settle);
  bind("columns", "columns", axes, settle);
  byId("swap").addEventListener("click", () => {
    [state.rows, state.columns] = [state.columns, state.rows];
    settle("rows");
    update();
  });
  selectors();
}

function wireControls() {
  const named = measureNames.map((name) => [name, arrow(name)]);
  bind("filter", "filter");
  bind("measure", "measure", named);
  bind("order", "order");
  bind("across", "across", named);
  bind("up", "up", named);
  bind("colour", "colour", [["", "(none)"], ...fields.filter(canColour).map((field) => [field, fieldName(field)])]);
  wireAxes();
  byId("every").checked = Boolean(state.every);
  byId("every").addEventListener("change", () => { state.every = byId("every").checked ? "1" : ""; update(); });
  byId("size").addEventListener("input", () => { state.size = byId("size").value; fitThumbnails(); saveView(); });
  const copyAs = (format, name) => () =>
    copy(format(shownRuns, tableColumns(state.every)), `${shownRuns.length} rows as ${name}`);
  byId("copy-csv").addEventListener("click", copyAs(asCsv, "CSV"));
  byId("copy-markdown").addEventListener("click", copyAs(asMarkdown, "Markdown"));
  let width = innerWidth;
  addEventListener("resize", () => { // on phones the height changes as well, whenever the browser's bars appear
    if (innerWidth === width) return;
    width = innerWidth;
    if (state.view === "scatter") update();
    else fitThumbnails();
  });
}

/** Draws a button with the number of runs for each status, which shows only these runs. */
function drawCounts() {
  const counts = new Map();
  for (const run of runs) counts.set(statusOf(run), (counts.get(statusOf(run)) ?? 0) + 1);
  byId("counts").replaceChildren(...[...counts].map(([status, count]) => el("button", {
    type: "button", class: "status", "data-status": status, onclick: () => {
      const text = `status = ${status}`;
      state.filter = byId("filter").value = state.filter === text ? "" : text;
      update();
    },
  }, `${count} ${status}`)));
}

/** Lists what each measure means, and the instrument. */
function drawMeanings() {
  const whole = measures.filter(({ name, meaning }) => meaning && !name.includes("/"));
  const lines = whole.map(({ name, meaning, better }) => [name, better ? `${meaning}; ${better} is better` : meaning]);
  const instruments = new Set(runs.map((run) => run.row.instrument).filter(Boolean));
  lines.push(...[...instruments].map((name) => ["instrument", name]));
  byId("meanings").append(...lines.flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, text)]));
}

drawMeanings();
restoreView();
drawCounts();
wireTabs();
wireControls();
showView(state.view);
showSelection();
