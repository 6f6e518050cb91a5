const data = JSON.parse(byId("data").textContent);
const { fields, measures, columns } = data;
/** Returns the name of a config field from its column, one of `fields`. */
const fieldName = (column) => column.replace(/^config\./, "");
const runs = data.runs.map((run, id) => ({ ...run, id }));
const measureNames = measures.map((measure) => measure.name);
const better = Object.fromEntries(measures.map((measure) => [measure.name, measure.better]));
const MOST_VALUES = 24; // numbers along an axis; more are shown in ranges
const RANGES = 8;

const valueOf = (run, name) => run.row[name] ?? null;
const isNumber = (value) => typeof value === "number";

const statusOf = (run) => run.row.status;

/** Returns a comparison of runs by a column; runs without a value come last in either direction. */
function comparer(name, down) {
  return (a, b) => {
    const [x, y] = [valueOf(a, name), valueOf(b, name)];
    if (x == null || y == null) return (x == null) - (y == null);
    const order = isNumber(x) && isNumber(y) ? x - y : show(x).localeCompare(show(y), "en", { numeric: true });
    return down ? -order : order;
  };
}

/**
 * Returns the places along a field, {labels, of}, where `of` holds the number of each run's place. Numbers are
 * ordered by size, other values by first appearance.
 */
const places = memo((field) => {
  const found = runs.map((run) => valueOf(run, field));
  const keys = found.map((value) => JSON.stringify(value));
  const distinct = new Map(keys.map((key, id) => [key, found[id]]));
  const known = [...distinct.values()].filter((value) => value !== null);
  if (known.every(isNumber)) {
    const sorted = known.toSorted((a, b) => a - b);
    if (sorted.length > MOST_VALUES) return ranges(sorted, found);
    const text = new Set(sorted.map(short)).size === sorted.length ? short : show;
    const labels = sorted.length < distinct.size ? [...sorted.map(text), show(null)] : sorted.map(text);
    return { labels, of: found.map((value) => (value === null ? sorted.length : sorted.indexOf(value))) };
  }
  const [folder, order] = [sharedFolder(known.map(show)), [...distinct.keys()]];
  const label = (value) => (value === null ? show(value) : show(value).slice(folder.length));
  return { labels: [...distinct.values()].map(label), of: keys.map((key) => order.indexOf(key)) };
});

/** Returns the places of many different numbers: RANGES ranges with about as many values each. */
function ranges(sorted, found) {
  const starts = Array.from({ length: RANGES + 1 }, (_, part) => Math.round((part * sorted.length) / RANGES));
  const ends = starts.slice(1).map((start) => sorted[start - 1]);
  const labels = ends.map((end, part) => `${short(sorted[starts[part]])} to ${short(end)}`);
  if (found.includes(null)) labels.push(show(null));
  return { labels, of: found.map((value) => (value === null ? RANGES : ends.findIndex((end) => value <= end))) };
}

const placeLabel = (run, field) => places(field).labels[places(field).of[run.id]];

/** Returns the folder that all of several paths share, which their labels leave out. */
function sharedFolder(texts) {
  let end = 0;
  while (texts.length > 1 && texts.every((text) => text[end] === texts[0][end] && end < text.length)) end += 1;
  return texts[0].slice(0, texts[0].lastIndexOf("/", end - 1) + 1);
}

function memo(compute) {
  const known = new Map();
  return (key) => known.get(key) ?? known.set(key, compute(key)).get(key);
}

const COMPARE = {
  "<=": (order) => order <= 0, ">=": (order) => order >= 0, "<": (order) => order < 0, ">": (order) => order > 0,
};

/** Returns a predicate of runs from the text of a filter; throws an Error that says what is wrong with it. */
function parseFilter(text) {
  const parts = text.split(/\s+and\s+|&&/i).map((part) => part.trim()).filter(Boolean).map(parseCondition);
  return (run) => parts.every((part) => part(run));
}

function parseCondition(text) {
  const found = text.match(/^(.+?)\s*(<=|>=|!=|==|=|<|>)\s*(.*)$/);
  if (!found) return (run) => `${run.row.name} ${run.row.error ?? ""}`.toLowerCase().includes(text.toLowerCase());
  const [, written, operator] = found;
  const name = columnNamed(written);
  const wanted = found[3].replace(/^(["'])(.*)\1$/, "$2");
  if (!wanted) throw new Error(`${name} ${operator} what?`);
  const number = Number(wanted);
  if (operator in COMPARE) {
    if (Number.isNaN(number)) throw new Error(`${wanted} is not a number`);
    return (run) => isNumber(valueOf(run, name)) && COMPARE[operator](valueOf(run, name) - number);
  }
  const lower = wanted.toLowerCase();
  const texts = (run, value) => [show(value), fields.includes(name) ? placeLabel(run, name) : ""];
  const equal = (run, value) =>
    isNumber(value) ? value === number : texts(run, value).some((text) => text.toLowerCase() === lower);
  return (run) => equal(run, valueOf(run, name)) === (operator !== "!=");
}

/** Returns the column with a name, or the only one whose name ends with it. */
function columnNamed(written) {
  if (columns.includes(written)) return written;
  const ends = columns.filter((name) => name.endsWith(`.${written}`) || name.endsWith(`/${written}`));
  if (ends.length === 1) return ends[0];
  throw new Error(ends.length ? `${written} can be ${ends.join(" or ")}` : `there is no column ${written}`);
}

/** Returns a run's values of two measures, with the sign with which less is better. */
function costs(run, across, up) {
  return [across, up].map((name) => (better[name] === "more" ? -1 : 1) * valueOf(run, name));
}

/** Returns the best run by a measure, or a falsy value if neither less nor more of it is better. */
function bestOf(some, measure) {
  const found = better[measure] && some.filter((run) => isNumber(valueOf(run, measure)));
  return found && [...found].sort(comparer(measure, better[measure] === "more"))[0];
}

/** Returns the Pareto front: runs that no other run beats in one measure and at least equals in the other. */
function paretoFront(some, across, up) {
  const sorted = some
    .map((run) => ({ run, cost: costs(run, across, up) }))
    .sort((a, b) => a.cost[0] - b.cost[0] || a.cost[1] - b.cost[1]);
  const front = [];
  for (const item of sorted) {
    const [x, y] = front.at(-1)?.cost ?? [NaN, Infinity];
    if (item.cost[1] < y || (item.cost[0] === x && item.cost[1] === y)) front.push(item);
  }
  return front.map((item) => item.run);
}
