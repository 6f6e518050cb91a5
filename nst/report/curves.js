const NOT_TERMS = ["step", "evaluations", "seconds", "loss", "change"];
const loadedCurves = new Map();

/**
 * Stores the curves of a run. The scripts in curves/ call it, since a page that is opened from the disk may load
 * scripts but no other data.
 */
function addCurves(key, values) {
  loadedCurves.set(key, values);
}

/** Resolves to the curves of a run, or to null if it has none or their file is gone. */
function loadCurves(run) {
  if (!run?.curves || loadedCurves.has(run.key)) return Promise.resolve(loadedCurves.get(run?.key) ?? null);
  return new Promise((resolve) => {
    const gone = () => {
      announce("This page is older than its report: reload it");
      resolve(null);
    };
    const here = () => resolve(loadedCurves.get(run.key));
    document.head.append(el("script", { src: run.curves, onload: here, onerror: gone }));
  });
}

/** Draws a plot for the loss and one for each of its terms, against `across`; each shows all selected runs. */
function drawCurves(host, found, across, log) {
  const names = new Set(found.flatMap((curves) => Object.keys(curves ?? {})));
  const terms = [...names].filter((name) => !NOT_TERMS.includes(name));
  const plots = ["loss", ...terms].map((name) => lossPlot(name, found, across, log)).filter(Boolean);
  host.replaceChildren(...(plots.length ? plots : [emptyNote("No losses are recorded yet.")]));
}

function lossPlot(name, found, across, log) {
  const lines = found.map((curves) => linePoints(curves, across, name, log));
  const all = lines.flat();
  if (!all.length || all.every(([, value]) => value === 0)) return null;
  const x = makeAxis(all.map(([at]) => at), false);
  const y = makeAxis(all.map(([, value]) => value), log);
  const [width, height] = name === "loss" ? [660, 450] : [330, 210];
  const box = { left: 54, top: 20, width: width - 54 - 14, height: height - 20 - 42 };
  const place = ([at, value]) => [box.left + x.at(at) * box.width, box.top + (1 - y.at(value)) * box.height];
  const ends = lines.map((line, i) => [MARKS[i], line.at(-1)?.[1]]).filter(([, value]) => value != null)
    .map(([mark, value]) => [mark, `${mark} ${short(value)}`]);
  const label = `${name} against ${across}; at the end ${ends.map(([, text]) => text).join(", ")}`;
  return el("figure", { class: name === "loss" ? "curve total" : "curve" },
    el("figcaption", {}, el("strong", {}, name === "loss" ? "total loss" : name),
      ends.map(([mark, text]) => el("span", { class: "end", "data-mark": mark }, text))),
    svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
      frame(box, x, y, [across]), lines.map((line, i) => linePath(line.map(place), MARKS[i]))));
}

/** Returns a line through places, or a dot if there is only one. */
function linePath(places, mark) {
  const [[cx, cy] = []] = places;
  if (places.length < 2) return cx != null && svg("circle", { class: "line", "data-mark": mark, r: 3, cx, cy });
  const d = places.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
  return svg("path", { class: "line", "data-mark": mark, d });
}

/** Returns the [x, y] of a curve where both exist and the axis can show y. */
function linePoints(curves, across, name, log) {
  const [xs, ys] = [curves?.[across] ?? [], curves?.[name] ?? []];
  return xs.map((x, i) => [x, ys[i]]).filter(([x, y]) => x != null && y != null && (!log || y > 0));
}
