// Elements, and how figures are written for people. Text is always set as text: nothing from the API becomes markup.

export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

export const hint = (...text) => el("p", { class: "hint" }, ...text);

// A table whose rows are arrays of text or elements. On narrow screens its cells show the column's name (monitor.css).
export function table(caption, columns, rows) {
  const names = columns.map((column) => column.name ?? column);
  const numeric = columns.map((column) => column.numeric ?? false);
  return el("div", { class: "scroll" }, el("table", {},
    el("caption", { class: "unseen" }, caption),
    el("thead", {}, el("tr", {}, names.map((name, i) => el("th", { scope: "col", class: numeric[i] ? "number" : null }, name)))),
    el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell, i) =>
      el(i ? "td" : "th", { scope: i ? null : "row", "data-name": names[i], class: classOf(cell, numeric[i]) }, cell ?? "–")))))));
}

function classOf(cell, numeric) {
  return [numeric ? "number" : "", cell === undefined || cell === null || cell === "" || cell === "–" ? "empty" : ""].join(" ").trim() || null;
}

export function badge(text, kind) {
  return el("span", { class: `badge ${kind}` }, text);
}

export function button(text, act, { key, label } = {}) {
  const made = el("button", { type: "button", class: "quiet", "data-key": key, "aria-label": label }, text);
  made.addEventListener("click", async () => {
    made.disabled = true;
    try {
      await act();
    } finally {
      made.disabled = false;
    }
  });
  return made;
}

const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const number = (value) => (value === null || value === undefined ? "–" : plain.format(value));
export const compact = (value) => (value === null || value === undefined ? "–" : Math.abs(value) < 10_000 ? plain.format(value) : short.format(value));
export const percent = (value) => (value === null || value === undefined ? "–" : `${plain.format(value)} %`);
export const millis = (value) => (value === null || value === undefined ? "–" : value < 1000 ? `${plain.format(Math.round(value * 10) / 10)} ms` : `${plain.format(value / 1000)} s`);

export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let at = 0;
  for (; Math.abs(value) >= 1000 && at < units.length - 1; at += 1) value /= 1000;
  return `${plain.format(Math.round(value * 10) / 10)} ${units[at]}`;
}

// What Stripe's smallest unit is (https://docs.stripe.com/currencies). Browsers know how many digits are written, which is another matter.
const NONE = new Set("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split(" "));
const THREE = new Set("bhd jod kwd omr tnd".split(" "));

export function major(minor, currency) {
  if (minor === null || minor === undefined) return null;
  return minor / (NONE.has(currency) ? 1 : THREE.has(currency) ? 1000 : 100);
}

export function money(value, currency) {
  if (value === null || value === undefined) return "–";
  try {
    return new Intl.NumberFormat("en", { style: "currency", currency }).format(value);
  } catch {
    return `${plain.format(value)} ${currency.toUpperCase()}`;
  }
}

// For a chart's axis, where there is room for six characters.
export function coins(value, currency) {
  try {
    return new Intl.NumberFormat("en", { style: "currency", currency, notation: "compact", ...(Math.abs(value) < 1 && value ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: 2 }) }).format(value);
  } catch {
    return short.format(value);
  }
}

export const count = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export function when(text) {
  if (!text) return "–";
  return el("time", { datetime: text, title: text }, clock.format(new Date(text)));
}

export function ago(text) {
  if (!text) return "–";
  const seconds = Math.round((Date.now() - new Date(text)) / 1000);
  return el("time", { datetime: text, title: text }, seconds < 0 ? clock.format(new Date(text)) : `${duration(seconds)} ago`);
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const parts = [["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = parts.findIndex(([, size]) => seconds >= size);
  if (first < 0) return "0 s";
  const [[unit, size], next] = [parts[first], parts[first + 1]];
  const rest = next ? Math.floor((seconds % size) / next[1]) : 0;
  return `${Math.floor(seconds / size)} ${unit}${rest ? ` ${rest} ${next[0]}` : ""}`;
}
