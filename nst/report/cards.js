const MARKS = ["A", "B"];
const selected = []; // ids of at most two runs, marked A and B in this order

/** Returns a run's picture as a button that selects it; `note` says how the run differs from its neighbours. */
function card(run, { measure, best }, note) {
  const value = valueOf(run, measure);
  const isBest = run === best;
  const label = [run.row.name, statusOf(run), value == null ? "" : `${measure} ${short(value)}`, isBest && "the best"];
  return el("button", {
    type: "button", class: "card", "data-run": run.id, "data-status": statusOf(run), title: run.row.name,
    "aria-pressed": String(selected.includes(run.id)), "data-mark": MARKS[selected.indexOf(run.id)],
    "aria-label": [...label, run.row.error].filter(Boolean).join(", "), onclick: () => select(run.id),
  },
    face(run),
    value != null && el("span", { class: "meter", style: `--at: ${meterAt(measure, value)}` }),
    el("span", { class: "caption" }, value != null && el("b", {}, short(value), isBest && el("i", {}, "best")),
      note && el("span", {}, breakable(note))));
}

/** Returns a run's picture, with its status if it is not finished, or the reason why there is no picture. */
function face(run) {
  const picture = run.picture;
  const shown = picture?.thumbnail && el("img", {
    loading: "lazy", decoding: "async", src: picture.thumbnail, alt: "",
    width: picture.width, height: picture.height,
  });
  const problem = run.row.error ?? picture?.problem;
  const status = statusOf(run) === "finished" ? null : [statusOf(run), picture?.label].filter(Boolean).join(", ");
  return el("span", { class: "face", "data-status": statusOf(run) }, shown,
    (status || problem) && el("span", { class: "state" },
      status && el("strong", {}, status), problem && el("span", {}, problem)));
}

/** Returns where a value lies among those of all runs, 0 to 1; logarithmic if they span more than a decade. */
function meterAt(measure, value) {
  const [low, high] = extent(measure);
  const scale = low > 0 && high / low > 10 ? Math.log : (x) => x;
  return high > low ? ((scale(value) - scale(low)) / (scale(high) - scale(low))).toFixed(3) : 0.5;
}

const extent = memo((measure) => {
  const values = runs.map((run) => valueOf(run, measure)).filter(isNumber);
  return [Math.min(...values), Math.max(...values)];
});

/** Selects or deselects a run. A third run replaces the second, so that many can be compared with the first. */
function select(id) {
  const at = selected.indexOf(id);
  if (at >= 0) selected.splice(at, 1);
  else if (selected.length < 2) selected.push(id);
  else selected[1] = id;
  showSelection();
  if (at >= 0) announce(`${runs[id].row.name} is no longer selected`);
  else if (selected.length === 2) openCompare();
  else announce(`A is ${runs[id].row.name}; select another to compare`);
}

/** Marks the selected runs everywhere on the page, and lists them in the tray. */
function showSelection() {
  for (const node of document.querySelectorAll("[data-run]")) {
    const at = selected.indexOf(Number(node.dataset.run));
    node.setAttribute("aria-pressed", String(at >= 0));
    if (at >= 0) node.dataset.mark = MARKS[at];
    else delete node.dataset.mark;
  }
  const tray = byId("tray");
  tray.hidden = !selected.length;
  tray.replaceChildren(
    ...selected.map((id, at) => trayItem(runs[id], MARKS[at])),
    selected.length === 1 ? el("span", { class: "hint" }, "select another to compare") : "",
    button(selected.length > 1 ? "Compare" : "Open", openCompare, { class: "primary", id: "open" }),
    button("Clear", clearSelection),
  );
  saveView();
}

function trayItem(run, mark) {
  return el("span", { class: "tray-item", "data-mark": mark },
    run.picture?.thumbnail && el("img", { src: run.picture.thumbnail, alt: "" }),
    el("span", { class: "tray-name" }, run.row.name),
    button("✕", () => deselect(run.id), { class: "close", "aria-label": `Deselect ${mark}` }));
}

function deselect(id) {
  select(id);
  byId("tray").querySelector("button")?.focus();
}

function clearSelection() {
  const first = document.querySelector(`main section:not([hidden]) [data-run="${selected[0]}"]`);
  selected.length = 0;
  showSelection();
  first?.focus();
  announce("No run is selected");
}
