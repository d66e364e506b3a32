// What happens and whom it touches: probes, incidents, alerts, instances, and what people are told.
import { ago, badge, button, bytes, duration, el, hint, millis, number, percent, table, when } from "./monitor-dom.js";
import { send } from "./monitor-session.js";

const KIND = { ok: "good", up: "good", resolved: "good", down: "bad", firing: "bad", degraded: "warn", pending: "warn" };
const state = (text) => badge(text ?? "unknown", KIND[text] ?? "plain");

export const health = {
  load: (ask) => ask("/api/monitoring/health"),
  show: (found) => table("Services and dependencies",
    ["What", "State", { name: "Latency", numeric: true }, "Probed", "Detail"],
    entries(found).map(([name, each]) => [name, state(each.status), millis(each.latency_ms), ago(each.checked_at ?? each.probed_at), each.detail])),
};

// Services and checks, be they lists or objects by name.
function entries(found) {
  const all = [found.services, found.checks, found.dependencies].filter(Boolean);
  return all.flatMap((part) => (Array.isArray(part) ? part.map((each) => [each.name ?? each.check, each]) : Object.entries(part)));
}

export const incidents = {
  load: (ask) => ask("/api/monitoring/uptime?window=30d"),
  show: (found) => {
    const checks = Array.isArray(found.checks) ? found.checks : Object.entries(found.checks ?? {}).map(([check, each]) => ({ check, ...each }));
    const all = (found.incidents ?? checks.flatMap((each) => each.incidents ?? []))
      .sort((a, b) => b.started_at.localeCompare(a.started_at)).slice(0, 20);
    return [
      checks.length ? table("Uptime of 30 days", ["What", { name: "Uptime", numeric: true }],
        checks.map((each) => [each.check ?? each.name, percent(each.uptime_percent ?? each.uptime)])) : null,
      all.length ? table("Incidents", ["What", "Began", "Ended", "Lasted", "Detail"], all.map((each) => [
        each.check, when(each.started_at), each.ended_at ? when(each.ended_at) : badge("goes on", "bad"),
        duration((Date.parse(each.ended_at ?? new Date().toISOString()) - Date.parse(each.started_at)) / 1000), each.detail,
      ])) : hint("No incidents."),
    ].filter(Boolean);
  },
};

export const alerts = {
  load: (ask) => ask("/api/monitoring/alerts"),
  show: (found, again, tell) => [
    found.items.length ? table("Alerts", ["Alert", "State", "Since", "Detail"], found.items.map((each) => [
      each.title ?? each.rule ?? each.name, state(each.status ?? each.state), when(each.since ?? each.started_at ?? each.fired_at), each.detail ?? each.text,
    ])) : hint("Nothing is alarming."),
    el("p", { class: "buttons" }, button("Send a test", async () => {
      await tell(async () => { await send("POST", "/api/monitoring/alerts/test"); return "A test alert is on its way."; });
      again();
    }, { key: "alert test" })),
  ],
};

export const instances = {
  load: (ask) => ask("/api/monitoring/resources"),
  show: (found) => {
    const all = found.instances ?? [found];
    return table("Instances", ["Instance", "Services", "Version", { name: "CPU", numeric: true }, { name: "Memory", numeric: true }, { name: "Threads", numeric: true },
      { name: "Files", numeric: true }, "Up", "Seen"],
    all.map((each) => {
      const of = each.resources ?? each;
      return [
        each.instance_id ?? each.id, [each.services ?? []].flat().join(", ") || "–", each.version,
        percent(of.cpu_percent ?? of.cpu), bytes(of.memory_bytes ?? of.rss_bytes ?? of.memory), number(of.threads), number(of.open_files),
        duration(of.uptime_seconds ?? of.process_uptime_seconds), ago(each.last_seen_at ?? each.seen_at),
      ];
    }));
  },
};

export const announcements = {
  load: (ask) => ask("/api/monitoring/announcements"),
  show: (found, again, tell) => [
    found.items.length ? table("Announcements", ["Announcement", "Posted", "State", "Act"], found.items.map((each) => [
      el("span", {}, el("b", {}, each.title), each.text || each.body ? [el("br"), each.text ?? each.body] : []),
      when(each.created_at ?? each.posted_at),
      each.closed_at ? "closed" : badge("shown", "good"),
      each.closed_at ? when(each.closed_at) : button("Close", async () => {
        await tell(async () => { await send("POST", `/api/monitoring/announcements/${encodeURIComponent(each.id)}/close`); return "The announcement is closed."; });
        again();
      }, { key: `close ${each.id}`, label: `Close ${each.title}` }),
    ])) : hint("None is shown."),
    write(again, tell),
  ],
};

function write(again, tell) {
  const title = el("input", { type: "text", id: "new-title", maxlength: "120", required: true });
  const text = el("textarea", { id: "new-text", rows: "3", maxlength: "2000", required: true });
  const form = el("form", { class: "write" },
    el("label", { for: "new-title" }, "Title"), title, el("label", { for: "new-text" }, "What people should know"), text,
    el("button", { type: "submit" }, "Post it"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const pressed = form.querySelector("button");
    pressed.disabled = true;
    await tell(async () => {
      await send("POST", "/api/monitoring/announcements", { title: title.value, text: text.value });
      form.reset();
      return "The announcement is on the status page.";
    });
    pressed.disabled = false;
    if (!title.value) again();
  });
  return el("details", {}, el("summary", {}, "Write an announcement"), form);
}
