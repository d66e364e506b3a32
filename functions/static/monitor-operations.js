// What happens and whom it touches: probes, incidents, alerts, instances, and what people are told.
import { ago, badge, button, bytes, count, duration, el, hint, millis, number, percent, table, when } from "./monitor-dom.js";
import { send } from "./monitor-session.js";

const SHOWN = 20;
const KINDS = ["information", "maintenance", "incident"];
const newKey = () => `monitor-${Date.now()}-${Math.random().toString(36).slice(2)}`;
const KIND = { ok: "good", up: "good", resolved: "good", down: "bad", firing: "bad", degraded: "warn", pending: "warn", maintenance: "warn", incident: "bad" };
const state = (text) => badge(text ?? "unknown", KIND[text] ?? "plain");

export const health = {
  load: async (ask) => ({ found: await ask("/api/monitoring/health"), past: await ask("/api/monitoring/uptime?window=30d") }),
  show: ({ found, past }) => {
    const uptime = new Map(past.checks.map((each) => [each.check, each]));
    const columns = ["What", "State", { name: "Latency", numeric: true }, { name: "Up in 30 days", numeric: true }, "Probed", "Detail"];
    return table("Services and dependencies", columns, [...Object.entries(found.services), ...Object.entries(found.dependencies)].map(([name, each]) => [
      name, state(each.status), millis(each.latency_ms), percent(uptime.get(name)?.uptime_percent), ago(each.probed_at),
      each.detail ?? (each.down_since ? el("span", {}, "since ", when(each.down_since)) : null),
    ]));
  },
};

export const incidents = {
  load: (ask) => ask("/api/monitoring/uptime?window=30d"),
  show: ({ incidents: all }) => (all.length ? table("Incidents", ["What", "Began", "Ended", "Lasted", "Detail"], all.slice(0, SHOWN).map((each) => [
    each.check, when(each.started_at), each.ended_at ? when(each.ended_at) : badge("goes on", "bad"),
    duration(((each.ended_at ? Date.parse(each.ended_at) : Date.now()) - Date.parse(each.started_at)) / 1000), each.detail,
  ])) : hint("None.")),
};

export const alerts = {
  load: (ask) => ask("/api/monitoring/alerts"),
  show: (found, again, tell) => [
    found.items.length ? table("Alerts", ["Alert", "State", "Since", "Detail", "Told"], found.items.slice(0, SHOWN).map((each) => [
      each.title, state(each.status), when(each.since), each.detail, ago(each.notified_at),
    ])) : hint("Nothing alarms, and nothing has in 30 days."),
    el("p", { class: "buttons" }, button("Send a test", async () => {
      await tell(async () => {
        const sent = await send("POST", "/api/monitoring/alerts/test");
        const webhook = { sent: "the webhook took it", failed: `the webhook failed: ${sent.detail}`, not_configured: "no webhook is configured" }[sent.webhook];
        return `${sent.mails ? `${count(sent.mails, "mail")} handed in` : "No address is configured"}; ${webhook}.`;
      });
      again();
    }, { key: "alert test" })),
  ],
};

export const instances = {
  load: (ask) => ask("/api/monitoring/resources"),
  show: (found) => table("Instances",
    ["Instance", "Services", "Version", ...["CPU", "Memory", "Threads", "Files"].map((name) => ({ name, numeric: true })), "Started", "Seen"],
    found.instances.map((each) => [
      el("span", {}, each.instance_id, el("br"), el("small", {}, each.instance_id === found.instance_id ? `${each.host}, answers here` : each.host)),
      each.services.join(", "), each.version, percent(each.resources?.cpu_percent), bytes(each.resources?.memory_bytes),
      number(each.resources?.threads), number(each.resources?.open_files), ago(each.started_at), ago(each.last_seen),
    ])),
};

export const announcements = {
  load: (ask) => ask("/api/monitoring/announcements"),
  show: (found, again, tell) => [
    found.items.length ? table("Announcements", ["Announcement", "Posted", "State", "Act"], found.items.map((each) => [
      el("span", {}, el("b", {}, each.title), each.text ? [el("br"), each.text] : []),
      when(each.created_at),
      each.closed_at ? "closed" : badge(each.kind, KIND[each.kind] ?? "plain"),
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
  const text = el("textarea", { id: "new-text", rows: "3", maxlength: "2000" });
  const kind = el("select", { id: "new-kind" }, KINDS.map((name) => el("option", { value: name }, name)));
  let key = newKey(); // of this text: one whose answer was lost is not posted twice
  const form = el("form", { class: "write" },
    el("label", { for: "new-title" }, "Title"), title, el("label", { for: "new-text" }, "What people should know"), text,
    el("label", { for: "new-kind" }, "Kind"), kind,
    el("button", { type: "submit" }, "Post it"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const pressed = form.querySelector("button");
    pressed.disabled = true;
    await tell(async () => {
      await send("POST", "/api/monitoring/announcements", { title: title.value, text: text.value, kind: kind.value }, key);
      form.reset();
      key = newKey();
      return "The announcement is on the status page.";
    });
    pressed.disabled = false;
    if (!title.value) again();
  });
  return el("details", {}, el("summary", {}, "Write an announcement"), form);
}
