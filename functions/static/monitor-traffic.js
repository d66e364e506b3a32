// Real traffic: how much, how fast, how wrong; the error budget; and which routes are slowest.
import { badge, compact, el, hint, millis, number, percent, table } from "./monitor-dom.js";
import { chart, even } from "./monitor-charts.js";

const SLOWEST = 15;
const WINDOWS = { "24h": "Last day", "7d": "Last week" };
const FAST = 14.4; // at this rate an hour takes 2 % of the budget: somebody should look now
let shown = "24h";

export const traffic = {
  load: async (ask) => ({ slo: await ask("/api/monitoring/slo?days=7"), found: await ask(`/api/monitoring/traffic?window=${shown}`) }),
  show: ({ slo, found }, again) => {
    const names = ["requests", "errors", "p50_ms", "p95_ms", "p99_ms"];
    const points = Object.fromEntries(names.map((name) => [name, found[name]]));
    const { at, series } = even(found.at.map((text) => Date.parse(text) / 1000), points, found.step_seconds);
    const minute = (values) => values.map((value) => (value === null ? null : (value * 60) / found.step_seconds));
    const share = series.errors.map((count, i) => (series.requests[i] ? (100 * count) / series.requests[i] : count === null ? null : 0));
    return [
      el("ul", { class: "tiles" }, budget(slo)),
      windows(again),
      el("div", { class: "charts" },
        chart("traffic", "Requests a minute", at, [{ name: "requests", values: minute(series.requests) }], compact),
        chart("latency", "Latency", at, [["p50", series.p50_ms], ["p95", series.p95_ms], ["p99", series.p99_ms]].map(([name, values]) => ({ name, values })), millis),
        chart("errors", "Errors", at, [{ name: "answers of 5xx", values: share }], percent)),
    ];
  },
};

function budget(slo) {
  const share = slo.budget.left === null ? "–" : percent(Math.round(1000 * slo.budget.left) / 10);
  const left = slo.budget.left < 0 ? badge(share, "bad") : share;
  const tiles = [
    ["Error budget left", left, `of ${slo.budget.window_days} days; the objective is ${percent(slo.objective)}`],
    ["Requests", compact(slo.budget.requests), `${number(slo.budget.errors)} failed in ${slo.budget.window_days} days`],
    ...Object.entries(slo.burn_rates).filter(([, rate]) => rate !== null).map(([window, rate]) => [
      `Burn rate, ${window}`, rate >= FAST ? badge(number(rate), "bad") : number(rate), "at 1 the budget lasts exactly",
    ]),
  ];
  return tiles.map(([name, value, more]) => el("li", {}, el("span", { class: "name" }, name), el("span", { class: "value" }, value), hint(more)));
}

function windows(again) {
  const select = el("select", { id: "window", "data-key": "window" },
    Object.entries(WINDOWS).map(([value, text]) => el("option", { value, selected: value === shown }, text)));
  select.addEventListener("change", () => { shown = select.value; again(); });
  return el("p", { class: "choose" }, el("label", { for: "window" }, "Show"), select);
}

export const routes = {
  load: (ask) => ask("/api/monitoring/slo?days=7"),
  show: (slo) => {
    const [today] = slo.days;
    const slowest = [...(today?.functions ?? [])].filter((each) => each.p95_ms !== null).sort((a, b) => b.p95_ms - a.p95_ms).slice(0, SLOWEST);
    if (!slowest.length) return hint("No request has been counted yet: the first minute is written seconds after its end.");
    return [
      hint(`Of ${today.day} (UTC). Streams and a process’s first requests are not among these times.`),
      table("Slowest routes", ["Function", ...["Requests", "Failed", "p50", "p95", "p99"].map((name) => ({ name, numeric: true }))],
        slowest.map((each) => [
          each.function, compact(each.requests), each.errors ? badge(number(each.errors), "bad") : "0", millis(each.p50_ms), millis(each.p95_ms), millis(each.p99_ms),
        ])),
    ];
  },
};
