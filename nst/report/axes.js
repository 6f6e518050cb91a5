/**
 * Returns an axis that holds all `values`: {at, ticks}, where `at` maps a value to 0..1 and `ticks` is a list of
 * [value, text]. A logarithmic axis needs positive values. `pad` is the share that is left free at either end.
 */
function makeAxis(values, log, pad = 0) {
  let [low, high] = values.length ? [Math.min(...values), Math.max(...values)] : [1, 10];
  if (low === high) {
    const half = (Math.abs(low) || 1) / 2;
    [low, high] = log ? [low / 2, high * 2] : [low - half, high + half];
  }
  const scale = log ? Math.log10 : (value) => value;
  const span = scale(high) - scale(low);
  const at = (value) => pad + ((1 - 2 * pad) * (scale(value) - scale(low))) / span;
  const ticks = log && span >= 0.3 ? logTicks(low, high) : linearTicks(low, high);
  return { at, ticks: ticks.map((value) => [value, tickText(value)]) };
}

function logTicks(low, high) {
  const decades = Math.ceil(Math.log10(high)) - Math.floor(Math.log10(low));
  const steps = decades > 3 ? [1] : decades > 1 ? [1, 3] : [1, 2, 3, 5, 7];
  const skip = Math.max(1, Math.ceil(decades / 6));
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    if (power % skip === 0) ticks.push(...steps.map((step) => Number(`${step}e${power}`)));
  }
  return ticks.filter((value) => value >= low && value <= high);
}

function linearTicks(low, high) {
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

function tickText(value) {
  const size = Math.abs(value);
  if (size && (size >= 1e5 || size < 1e-3)) return value.toExponential().replace("e+", "e");
  return String(Number(value.toPrecision(6)));
}

/** Returns the frame of a plot: grid lines, labels of the ticks and the names of the axes. */
function frame(box, x, y, names) {
  const { left, top, width, height } = box;
  const across = x.ticks.map(([value, text]) => [left + x.at(value) * width, text]);
  const up = y.ticks.map(([value, text]) => [top + (1 - y.at(value)) * height, text]);
  return svg("g", { class: "frame", "aria-hidden": "true" },
    across.map(([at, text]) => [
      svg("line", { x1: at, x2: at, y1: top, y2: top + height }),
      svg("text", { x: at, y: top + height + 16, "text-anchor": "middle" }, text),
    ]),
    up.map(([at, text]) => [
      svg("line", { x1: left, x2: left + width, y1: at, y2: at }),
      svg("text", { x: left - 8, y: at + 4, "text-anchor": "end" }, text),
    ]),
    svg("text", { class: "name", x: left + width, y: top + height + 34, "text-anchor": "end" }, names[0]),
    names[1] && svg("text", { class: "name", x: left, y: top - 10 }, names[1]));
}
