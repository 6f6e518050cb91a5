const COLOURS = 8; // of style.css, for values without an order

/** Returns whether a field can be shown by colour: it holds numbers, which make a scale, or has few values. */
const canColour = (field) => isScale(field) || places(field).labels.length <= COLOURS;
const isScale = (field) => runs.every((run) => valueOf(run, field) == null || isNumber(valueOf(run, field)));

/** Returns the attributes that give a point the colour of its place along a field. */
function colourOf(field, at) {
  if (!field || at < 0) return {};
  if (!isScale(field)) return { "data-colour": at };
  return { "data-colour": "scale", style: `--t: ${at / Math.max(1, places(field).labels.length - 1)}` };
}

const arrow = (name) => ({ less: `${name} ↓`, more: `${name} ↑` })[better[name]] ?? name;

/** Draws one measure against another, a point for each run, and the runs on the Pareto front. */
function drawScatter(shown, { across, up, colour, measure, best }) {
  const drawn = shown.filter((run) => isNumber(valueOf(run, across)) && isNumber(valueOf(run, up)));
  const front = paretoFront(drawn, across, up);
  const host = byId("scatter");
  const missing = shown.length - drawn.length;
  host.replaceChildren(drawn.length ? scatterPlot(drawn, front, { across, up, colour }, host.clientWidth || 720)
    : emptyNote("No run has both measures."), legend(drawn, colour),
    missing ? el("p", { class: "hint" }, `${missing} of ${shown.length} runs lack a measure and are not drawn.`) : "");
  byId("front-title").textContent = drawn.length ? `On the Pareto front: ${front.length} of ${drawn.length}` : "";
  byId("front").replaceChildren(...front.map((run) => card(run, { measure, best }, run.row.name)));
  byId("peek").replaceChildren();
  if (front.length) peek(front[Math.floor(front.length / 2)], across, up);
}

function scatterPlot(drawn, front, { across, up, colour }, width) {
  const height = Math.max(300, Math.min(520, width * 0.62));
  const box = { left: 58, top: 34, width: width - 58 - 18, height: height - 34 - 44 };
  const axisOf = (name) => {
    const values = drawn.map((run) => valueOf(run, name));
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return makeAxis(values, low > 0 && high / low > 10, 0.025);
  };
  const [x, y] = [axisOf(across), axisOf(up)];
  const place = (run) => [
    box.left + x.at(valueOf(run, across)) * box.width, box.top + (1 - y.at(valueOf(run, up))) * box.height,
  ];
  const on = new Set(front);
  const ordered = [...drawn].sort(comparer(across));
  const points = ordered.map((run, i) => point(run, place(run), on.has(run), { across, up, colour, first: i === 0 }));
  return svg("svg", { class: "scatter", width, height, viewBox: `0 0 ${width} ${height}`, role: "group",
    onkeydown: walk,
    "aria-label": `${up} against ${across}, ${drawn.length} runs; the arrow keys go from point to point` },
  frame(box, x, y, [arrow(across), arrow(up)]),
  svg("path", { class: "front", d: steps(front.map(place)), "aria-hidden": "true" }),
  points);
}

/** Returns a line in steps around the region that the runs of the front dominate. */
function steps(places) {
  return places.map(([x, y], i) => `${i ? "H" : "M"}${x.toFixed(1)}${i ? "V" : " "}${y.toFixed(1)}`).join("");
}

function point(run, [x, y], onFront, { across, up, colour, first }) {
  const at = colour ? places(colour).of[run.id] : -1;
  const numbers = [up, across].map((name) => `${name} ${short(valueOf(run, name))}`);
  const text = `${run.row.name}: ${[...numbers, ...(onFront ? ["on the Pareto front"] : [])].join(", ")}`;
  const look = () => peek(run, across, up);
  return svg("g", {
    class: onFront ? "point on-front" : "point", role: "button", tabindex: first ? 0 : -1, "data-run": run.id,
    ...colourOf(colour, at), "aria-label": text, "aria-pressed": String(selected.includes(run.id)),
    "data-mark": MARKS[selected.indexOf(run.id)], transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`,
    onclick: () => select(run.id), onfocus: look, onpointerenter: look,
  },
  svg("title", {}, text), svg("circle", { class: "reach", r: 12 }), svg("circle", { class: "dot", r: onFront ? 7 : 5 }));
}

/** Handles the keys: Tab reaches the points once, arrows move between them, Enter and Space select one. */
function walk(event) {
  const points = [...event.currentTarget.querySelectorAll(".point")];
  const at = points.indexOf(event.target);
  const [before, after, last] = [at - 1, at + 1, points.length - 1];
  const keys = { ArrowRight: after, ArrowDown: after, ArrowLeft: before, ArrowUp: before, Home: 0, End: last };
  const to = keys[event.key];
  if (at < 0) return;
  if (event.key === "Enter" || event.key === " ") select(Number(event.target.dataset.run));
  else if (to == null) return;
  event.preventDefault();
  if (points[to]) {
    points[at].setAttribute("tabindex", -1);
    points[to].setAttribute("tabindex", 0);
    points[to].focus();
  }
}

/** Shows the run under the pointer or the focus beside the plot. */
function peek(run, across, up) {
  byId("peek").replaceChildren(face(run), el("figcaption", {}, el("strong", {}, breakable(run.row.name)),
    [up, across].map((name) => el("span", {}, `${name} ${short(valueOf(run, name))}`))));
}

function legend(drawn, colour) {
  if (!colour) return "";
  return el("p", { class: "legend" }, el("span", {}, fieldName(colour)), split(drawn, colour).map(([at]) =>
    el("span", { class: "key", ...colourOf(colour, at) }, places(colour).labels[at])));
}
