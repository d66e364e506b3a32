// What waits to be looked after: Stripe's events, and what the host gave up on.
import { ago, badge, button, count, el, hint, number, table } from "./monitor-dom.js";
import { send } from "./monitor-session.js";

const KINDS = { processed: "good", received: "warn", ignored: "plain", failed: "bad" };
const STATES = ["", "failed", "received", "processed", "ignored"];
let shown = "";
let cursors = [];

export const events = {
  load: (ask) => ask(`/api/payments/events?limit=20${shown ? `&status=${shown}` : ""}${cursors.length ? `&cursor=${encodeURIComponent(cursors.at(-1))}` : ""}`),
  show: (found, again, tell) => {
    const select = el("select", { id: "event-status", "data-key": "event-status" },
      STATES.map((state) => el("option", { value: state, selected: state === shown }, state || "all")));
    select.addEventListener("change", () => { shown = select.value; cursors = []; again(); });
    const rows = found.items.map((event) => [
      el("span", {}, event.type, el("br"), el("small", {}, event.id)),
      badge(event.status, KINDS[event.status] ?? "warn"),
      number(event.attempts),
      event.error || "–",
      ago(event.created_at ?? event.received_at),
      button("Replay", async () => {
        await tell(async () => {
          const after = await send("POST", `/api/payments/events/${encodeURIComponent(event.id)}/replay`);
          return `${event.type}: ${after.status}${after.error ? `, ${after.error}` : ""}.`;
        });
        again();
      }, { key: `replay ${event.id}`, label: `Replay ${event.type} ${event.id}` }),
    ]);
    const columns = ["Event", "State", { name: "Tries", numeric: true }, "Error", "Received", "Act"];
    return [
      el("p", { class: "choose" }, el("label", { for: "event-status" }, "State"), select),
      rows.length ? table("Stripe’s events", columns, rows) : hint(shown ? `No event is ${shown}.` : "No event has come yet."),
      el("p", { class: "buttons" },
        cursors.length ? button("Newer", () => { cursors.pop(); again(); }, { key: "newer" }) : null,
        found.next_cursor ? button("Older", () => { cursors.push(found.next_cursor); again(); }, { key: "older" }) : null),
    ];
  },
};

export const queues = {
  load: (ask) => ask("/api/monitoring/queues"),
  show: (found, again, tell) => table("Queues", ["Queue", { name: "Waiting", numeric: true }, { name: "Poison", numeric: true }, "What failed", "Oldest", "Act"], found.items.map((queue) => [
    queue.name,
    number(queue.length),
    queue.poison_length ? badge(number(queue.poison_length), "bad") : "0",
    Object.entries(queue.poison_kinds).map(([kind, count]) => `${kind} (${count})`).join(", ") || "–",
    ago(queue.oldest_poison_at),
    queue.poison_length ? button("Move back", async () => {
      await tell(async () => {
        const moved = await send("POST", `/api/monitoring/queues/${encodeURIComponent(queue.name)}/replay`);
        return `${count(moved.moved, "message")} of ${queue.name} moved back${moved.left ? `, about ${number(moved.left)} are left` : ""}.`;
      });
      again();
    }, { key: `move ${queue.name}`, label: `Move ${queue.name}’s poison messages back` }) : "–",
  ])),
};
