const view = { mode: "slider", across: "evaluations", log: true };

/** Opens the dialog with the selected runs: one alone, or two in comparison. */
function openCompare() {
  if (!selected.length) return;
  drawCompare();
  if (!byId("compare").open) byId("compare").showModal();
  byId("divider")?.focus({ preventScroll: true });
  byId("compare").scrollTop = 0;
}

function drawCompare() {
  const pair = selected.map((id) => runs[id]);
  byId("compare-title").textContent = pair.length === 2 ? "Two runs" : "One run";
  const curves = el("div", { class: "curves" });
  byId("compare-body").replaceChildren(
    pickers(), stage(pair),
    el("div", { class: "halves" }, pair.map((run, at) => heading(run, MARKS[at]))),
    el("div", { class: "halves" },
      el("div", {}, pair.length === 2 && differences(pair),
        section("Commands", pair.map((run, at) => commandsOf(run, MARKS[at])))),
      measuresOf(pair)),
    section("Loss", curveControls(pair, curves), curves));
  showCurves(pair, curves);
}

const markOf = (mark) => el("span", { class: "mark", "data-mark": mark }, mark);

function section(title, ...children) {
  return el("section", {}, el("h3", {}, title), children);
}

/** Returns the two lists in the dialog that choose other runs to compare. */
function pickers() {
  return el("div", { class: "controls" }, MARKS.map((mark, at) => {
    const list = el("select", { "data-pick": mark, onchange: () => pick(at, list.value) });
    const all = runs.map((run) => [run.id, run.row.name]);
    setOptions(list, at ? [["", "none"], ...all] : all, selected[at] ?? "");
    return el("label", { class: "grow" }, markOf(mark), list);
  }));
}

function pick(at, value) {
  if (value === "") selected.length = 1;
  else selected[at] = Number(value);
  if (selected[0] === selected[1]) selected.length = 1;
  showSelection();
  drawCompare();
  document.querySelector(`[data-pick="${MARKS[at]}"]`).focus();
}

/** Returns the pictures, one over the other with a divider, or side by side. */
function stage(pair) {
  const both = pair.length === 2 && pair.every((run) => run.picture?.full);
  const host = el("div", { class: "stage-host" });
  const draw = () => host.replaceChildren(both && view.mode === "slider" ? sliderStage(pair) : sideBySide(pair));
  draw();
  if (!both) return host;
  const modes = [["slider", "One over the other"], ["sides", "Side by side"]];
  const choice = radios("Pictures", modes, view.mode, (mode) => {
    view.mode = mode;
    draw();
  });
  return el("section", { "aria-label": "Pictures" }, choice, host);
}

function radios(legend, choices, value, changed) {
  const choice = ([key, text]) => el("label", {}, el("input", {
    type: "radio", name: legend, value: key, checked: key === value, onchange: () => changed(key),
  }), el("span", {}, text));
  return el("fieldset", { class: "segments" }, el("legend", { class: "offscreen" }, legend), choices.map(choice));
}

/**
 * Returns picture B over picture A. B is clipped on the left of the divider, where A shows. The divider is a range
 * input, so that the keyboard and touch move it as well.
 */
function sliderStage([a, b]) {
  const { width, height } = a.picture;
  const frame = el("div", { class: "stage", style: `--ratio: ${width / height}; --width: ${width}px; --at: 50%` },
    fullPicture(a, "A"), fullPicture(b, "B"));
  const range = el("input", { type: "range", min: 0, max: 100, step: "any", value: 50, id: "divider",
    "aria-label": "Divider: A is on its left, B on its right", oninput: () => move() });
  const move = () => {
    frame.style.setProperty("--at", `${range.value}%`);
    range.setAttribute("aria-valuetext", `${Math.round(range.value)} % of A`);
  };
  move();
  const corners = MARKS.map((mark) => el("span", { class: "corner-mark", "data-mark": mark }, mark));
  frame.append(range, el("span", { class: "divider" }), ...corners);
  return frame;
}

function fullPicture(run, mark) {
  const label = run.picture.label ? `, ${run.picture.label}` : "";
  const alt = `${mark}: ${run.row.name}${label}`;
  return el("img", { class: "full", "data-mark": mark, src: run.picture.full, alt });
}

function sideBySide(pair) {
  const link = (run) => ({ href: run.picture.full, target: "_blank", title: "Open the picture in a new tab" });
  return el("div", { class: "sides" }, pair.map((run, at) => el("figure", {},
    run.picture?.full ? el("a", link(run), fullPicture(run, MARKS[at])) : face(run))));
}

/** Returns the name and status of a run, and its error. */
function heading({ row, picture }, mark) {
  const facts = [
    picture?.label && `picture of ${picture.label}`, picture?.width && `${picture.width} × ${picture.height} px`,
  ];
  return el("section", { class: "heading", "data-mark": mark },
    el("h3", {}, markOf(mark), el("span", {}, breakable(row.name))),
    el("p", {}, el("span", { class: "status", "data-status": row.status }, row.status),
      facts.filter(Boolean).map((fact) => ` · ${fact}`)),
    (row.error || picture?.problem) && el("pre", { class: "error" }, row.error ?? picture.problem));
}

/** Returns the commands that repeat a run. */
function commandsOf({ row, commands }, mark) {
  const kept = row.status === "finished" ? "; delete the folder of the run first, since finished runs are skipped" : "";
  return el("div", {}, command(`In the sweep${kept}`, commands.sweep, mark),
    commands.stylize && command("By itself, in a new folder", commands.stylize, mark));
}

function command(title, text, mark) {
  const words = text.split(" ").flatMap((word) => [el("span", {}, word), " "]).slice(0, -1);
  return el("div", { class: "command", "data-mark": mark },
    el("p", {}, markOf(mark), ` ${title}`), el("code", { tabindex: 0 }, words),
    button("Copy", () => copy(text, "the command"), { "aria-label": `Copy the command of ${mark}` }));
}

/** Returns the table of the config fields in which two runs differ. */
function differences(pair) {
  const [a, b] = pair.map((run) => (field) => (field in run.changes ? run.changes[field] : data.base[field]));
  const names = [...new Set(pair.flatMap((run) => Object.keys(run.changes)))];
  const differ = names.filter((field) => JSON.stringify(a(field)) !== JSON.stringify(b(field)));
  const lines = differ.map((field) => [field, show(a(field)), show(b(field))]);
  if (!lines.length) return section("Config", el("p", {}, "Both runs have the same config."));
  return section("Config", pairTable("Fields that differ", ["field", ...MARKS], lines));
}

/** Returns the table of the runs' measures; those of single layers are in a table of their own. */
function measuresOf(pair) {
  const names = measureNames.filter((name) => pair.some((run) => valueOf(run, name) != null));
  const layers = names.filter((name) => name.includes("/"));
  const whole = names.filter((name) => !name.includes("/"));
  const head = ["measure", ...MARKS.slice(0, pair.length), ...(pair.length === 2 ? ["B / A"] : [])];
  const table = (title, some) => pairTable(title, head, some.map((name) => measureLine(pair, name)));
  return section("Measures", names.length ? table("Measures", whole) : el("p", {}, "None yet."),
    layers.length > 0 && el("details", {}, el("summary", {}, "By layer"), table("Measures by layer", layers)));
}

function measureLine(pair, name) {
  const values = pair.map((run) => valueOf(run, name));
  const cells = values.map((value) => (value == null ? "–" : short(value)));
  if (pair.length === 1) return [arrow(name), ...cells];
  if (!values.every(isNumber)) return [arrow(name), ...cells, ""];
  const won = values[0] !== values[1] && bestOf(pair, name);
  const marked = cells.map((text, at) => (pair[at] === won ? el("strong", {}, text) : text));
  return [arrow(name), ...marked, values[0] ? short(values[1] / values[0]) : ""];
}

function pairTable(title, head, lines) {
  const markedHead = (name) => el("th", { scope: "col", "data-mark": MARKS.includes(name) ? name : null }, name);
  return el("div", { class: "wide" }, el("table", { class: "pairs" }, el("caption", { class: "offscreen" }, title),
    el("thead", {}, el("tr", {}, head.map(markedHead))),
    el("tbody", {}, lines.map(([name, ...cells]) =>
      el("tr", {}, el("th", { scope: "row" }, name), cells.map((cell) => el("td", {}, cell)))))));
}

function curveControls(pair, host) {
  const names = ["evaluations", "seconds"];
  const across = radios("Against", names.map((name) => [name, name]), view.across, (name) => {
    view.across = name;
    showCurves(pair, host);
  });
  const log = el("input", { type: "checkbox", id: "log", checked: view.log, onchange: () => {
    view.log = log.checked;
    showCurves(pair, host);
  } });
  return el("div", { class: "controls" }, across, el("label", {}, log, " log axis"));
}

async function showCurves(pair, host) {
  const found = await Promise.all(pair.map(loadCurves));
  if (host.isConnected) drawCurves(host, found, view.across, view.log);
}
