// Real traffic: how much, how fast, how wrong; and which routes are slowest.
import { badge, compact, el, hint, millis, number, percent, table } from "./monitor-dom.js";
import { chart } from "./monitor-charts.js";

const SLOWEST = 15;

export const traffic = {
  load: (ask) => ask("/api/monitoring/slo"),
  show: (slo) => [hint("…")],
};

export const routes = {
  load: (ask) => ask("/api/monitoring/slo"),
  show: (slo) => {
    const slowest = [...(slo.routes ?? [])].sort((a, b) => (b.p95_ms ?? 0) - (a.p95_ms ?? 0)).slice(0, SLOWEST);
    if (!slowest.length) return hint("No request has been counted yet.");
    return table("Slowest routes", ["Route", { name: "Requests", numeric: true }, { name: "Errors", numeric: true }, { name: "p50", numeric: true }, { name: "p95", numeric: true }, { name: "p99", numeric: true }],
      slowest.map((each) => [each.route, compact(each.requests), each.errors ? badge(number(each.errors), "bad") : "0", millis(each.p50_ms), millis(each.p95_ms), millis(each.p99_ms)]));
  },
};
