// Charts: uPlot in the page's colours, with a sentence that says the same to who sees no chart.
import { el } from "./monitor-dom.js";

const COLORS = ["--accent", "--second", "--third", "--fourth"];
const HEIGHT = 170;
const drawn = new Map(); // chart's key -> { figure, plot, place }
const dark = matchMedia("(prefers-color-scheme: dark)");

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// A chart stays the same element from one refresh to the next, so that reading it is not disturbed.
// at: seconds since 1970; lines: [{ name, values }]; write: how a value is written, axis: how briefly beside the axis.
export function chart(key, title, at, lines, write, { bars = false, axis = write } = {}) {
  let known = drawn.get(key);
  if (!known) {
    const place = el("div", { class: "plot", "aria-hidden": "true" });
    const said = el("p", { class: "said" });
    const figure = el("figure", { class: "chart", role: "group", "aria-label": title }, el("figcaption", {}, title), said, place);
    known = { figure, place, said, plot: null, shape: "" };
    drawn.set(key, known);
    new ResizeObserver(() => known.plot?.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
  }
  known.said.textContent = sentence(lines, write);
  known.draw = () => draw(known, at, lines, write, { bars, axis });
  known.draw();
  return known.figure;
}

function draw(known, at, lines, write, how) {
  const shape = JSON.stringify([lines.map((line) => line.name), dark.matches]);
  const data = [at, ...lines.map((line) => line.values)];
  const some = at.length > 0 && lines.some((line) => line.values.some((value) => value !== null));
  if (!some) {
    known.plot?.destroy();
    known.plot = null;
    known.place.replaceChildren(el("p", { class: "hint none" }, "No points yet: the first comes within minutes."));
    return;
  }
  if (known.plot && known.shape === shape) {
    known.plot.setData(data);
    return;
  }
  known.plot?.destroy();
  known.place.replaceChildren();
  known.shape = shape;
  known.plot = new uPlot(options(known.place.clientWidth || 320, lines, write, how), data, known.place);
}

function options(width, lines, write, { bars, axis: brief }) {
  const axis = { stroke: color("--soft"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
  return {
    width,
    height: HEIGHT,
    cursor: { sync: { key: "monitor" }, y: false },
    scales: { x: { range: (_, first, last) => span(first, last, bars) }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), high > 0 ? high * 1.05 : 1] } },
    legend: { live: true },
    axes: [axis, { ...axis, size: 62, values: (_, values) => values.map(brief) }],
    series: [{ value: (_, at) => (at ? new Date(at * 1000).toLocaleString() : "–") }, ...lines.map((line, i) => ({
      label: line.name,
      stroke: color(COLORS[i % COLORS.length]),
      fill: bars || lines.length === 1 ? `${color(COLORS[i % COLORS.length])}33` : undefined,
      width: i ? 1.5 : 2,
      dash: i ? [8, 2 * i] : undefined, // not by colour alone
      points: bars ? { show: false } : { size: 5, fill: color(COLORS[i % COLORS.length]) }, // a point without neighbours has no line
      paths: bars ? uPlot.paths.bars({ size: [0.7, 24], gap: 1 }) : undefined,
      value: (_, value) => (value === null || value === undefined ? "–" : write(value)),
    }))],
  };
}

// What the time axis shows: of a young history an hour, as otherwise one point alone is drawn as years. Bars have room at both ends.
const HOUR = 3600;
export function span(first, last, bars) {
  const least = Math.max(0, HOUR - (last - first));
  const room = bars ? (last - first + least) / 40 : 0;
  return [first - least - room, last + room];
}

function sentence(lines, write) {
  return lines.map((line) => {
    const values = line.values.filter((value) => value !== null);
    if (!values.length) return `${line.name}: none`;
    return `${line.name}: ${write(values.at(-1))}, highest ${write(Math.max(...values))}`;
  }).join("; ");
}

dark.addEventListener("change", () => { for (const known of drawn.values()) known.draw?.(); });

// Points at every step: where one is missing there is no line, rather than one that hides it.
export function even(at, series, step) {
  if (!at.length) return { at, series };
  const index = new Map(at.map((moment, i) => [moment, i]));
  const all = [];
  for (let moment = at[0]; moment <= at.at(-1); moment += step) all.push(moment);
  const filled = Object.entries(series).map(([name, values]) => [name, all.map((moment) => (index.has(moment) ? values[index.get(moment)] : null))]);
  return { at: all, series: Object.fromEntries(filled) };
}

// What a rising total gained from one point to the next.
export function gains(values) {
  return values.map((value, i) => (i && value !== null && values[i - 1] !== null ? value - values[i - 1] : null));
}
