// What the services have counted: the overview's tiles, and charts of a day, a month or a year.
import { ago, badge, bytes, coins, compact, count, el, hint, major, money, number } from "./monitor-dom.js";
import { chart, even, gains } from "./monitor-charts.js";

const RANGES = { "5m": "Last day", "1h": "Last month", "1d": "Last year" };
let range = "5m";

const figuresOf = (stats, service) => stats.latest[service]?.figures ?? null;
const microUsd = (micro) => (micro === null || micro === undefined ? null : micro / 1_000_000);

export const overview = {
  load: async (ask) => ({ health: await ask("/health"), stats: await ask("/api/monitoring/stats?history=5m") }),
  show: ({ health, stats }) => {
    const [users, files, ai, payments] = ["users", "files", "ai", "payments"].map((service) => figuresOf(stats, service));
    const tiles = [
      tile("State", badge(health.status === "ok" ? "works" : health.status, health.status === "ok" ? "good" : "bad"), `version ${health.version}`),
      tile("Users", users && number(users.users)),
      tile("Files", files && compact(files.files), files && `${bytes(files.bytes)} stored`),
      ...currencies(payments).map((code) => tile(
        `Payments, ${code.toUpperCase()}`,
        money(major(payments[`payments_${code}_minor`], code), code),
        `${count(payments[`payments_${code}`], "payment")}, ${money(major(payments[`refunds_${code}_minor`] ?? 0, code), code)} refunded`,
      )),
    ];
    if (payments) tiles.push(tile("Subscriptions", number(payments.subscriptions_active ?? 0), "running"));
    if (ai) tiles.push(tile("AI", money(microUsd(ai.ai_cost_micro ?? 0), "usd"), `${compact((ai.ai_input_tokens ?? 0) + (ai.ai_output_tokens ?? 0))} tokens`));
    const drifted = Object.entries(stats.latest).filter(([, found]) => found?.drifted);
    const counted = Object.values(stats.latest).map((found) => found?.as_of).filter(Boolean).sort();
    return [
      el("ul", { class: "tiles" }, tiles),
      ...(counted.length ? [hint("Counted ", ago(counted[0]), ", every five minutes.")] : []),
      ...drifted.map(([service, found]) => el("p", { class: "notice" },
        `The nightly recount of ${service} mended the figures of ${number(found.drifted)} owners (`, ago(found.recounted_at), ").")),
    ];
  },
};

function tile(name, value, more) {
  return el("li", {}, el("span", { class: "name" }, name), el("span", { class: "value" }, value ?? "no figures yet"), more ? hint(more) : null);
}

function currencies(payments) {
  return Object.keys(payments ?? {}).map((name) => /^payments_([a-z]{3})$/.exec(name)?.[1]).filter(Boolean).sort().slice(0, 4);
}

export const figures = {
  load: (ask) => ask(`/api/monitoring/stats?history=${range}`),
  show: (stats, again) => {
    const { at, series } = even(stats.history.at.map((text) => Date.parse(text) / 1000), stats.history.series, stats.history.step_seconds);
    const line = (label, name, change = (values) => values) => ({ name: label, values: change(series[name] ?? at.map(() => null)) });
    const major_of = (code) => (values) => gains(values).map((value) => major(value, code));
    const codes = currencies(Object.fromEntries(Object.keys(series).map((name) => [name, 0])));
    const charts = [
      chart("storage", "Storage", at, [line("bytes stored", "bytes")], bytes),
      chart("files", "Files", at, [line("files", "files"), line("deleted, kept for now", "files_deleted")], compact),
      chart("users", "Users", at, [line("accounts", "users")], compact),
      ...codes.map((code) => chart(`paid ${code}`, `Payments, ${code.toUpperCase()}`, at, [
        line("paid", `payments_${code}_minor`, major_of(code)), line("refunded", `refunds_${code}_minor`, major_of(code)),
      ], (value) => money(value, code), { bars: true, axis: (value) => coins(value, code) })),
      chart("ai cost", "AI cost", at, [line("US dollars", "ai_cost_micro", (values) => gains(values).map(microUsd))], (value) => money(value, "usd"), { bars: true, axis: (value) => coins(value, "usd") }),
      chart("ai tokens", "AI tokens", at, [line("in", "ai_input_tokens", gains), line("out", "ai_output_tokens", gains)], compact),
    ];
    return [ranges(again), el("div", { class: "charts" }, charts)];
  },
};

function ranges(again) {
  const select = el("select", { id: "range", "data-key": "range" },
    Object.entries(RANGES).map(([value, text]) => el("option", { value, selected: value === range }, text)));
  select.addEventListener("change", () => { range = select.value; again(); });
  return el("p", { class: "choose" }, el("label", { for: "range" }, "Show"), select);
}
