// The operator page: who is signed in, and a turn of all panels every half minute while somebody looks.
import { el, hint } from "./monitor-dom.js";
import { figures, overview } from "./monitor-figures.js";
import { events, queues } from "./monitor-inboxes.js";
import { alerts, announcements, health, incidents, instances } from "./monitor-operations.js";
import { routes, traffic } from "./monitor-traffic.js";
import { get, signIn, signInWithCode, signOut, signedIn, takeToken, whenEnded } from "./monitor-session.js";

const EVERY = 30_000;
const panels = { overview, traffic, figures, routes, health, incidents, alerts, events, queues, instances, announcements };
const by = (id) => document.getElementById(id);
let timer = null;
let paused = false;
let turnAt = 0;
let last = null;
let mfaToken = null;
const asked = {}; // how many times each panel has asked

// --- a turn ---

async function turn() {
  clearTimeout(timer);
  if (!signedIn()) return;
  turnAt = Date.now();
  const mine = Symbol("turn"); // another may begin before this one has ended: by hand, or after signing in anew
  last = mine;
  by("state").textContent = "Refreshing …";
  const ask = once(get);
  const results = await Promise.all(Object.keys(panels).map((name) => fill(name, ask)));
  if (!signedIn() || last !== mine) return;
  const failed = results.filter((result) => !result).length;
  const at = new Date().toLocaleTimeString();
  const text = failed ? `${failed} of ${results.length} panels have no figures` : "Up to date";
  by("state").textContent = `${text}, ${at}${paused ? ", paused" : ""}`;
  if (by("change").textContent !== text) by("change").textContent = text; // read out when it changes, not every half minute
  plan();
}

// Several panels may ask the same within a turn.
function once(fetched) {
  const asked = new Map();
  return (path) => {
    if (!asked.has(path)) asked.set(path, fetched(path));
    return asked.get(path);
  };
}

async function fill(name, ask) {
  const section = by(name);
  const content = section.querySelector(".content");
  const mine = (asked[name] ?? 0) + 1;
  asked[name] = mine;
  try {
    const data = await panels[name].load(ask);
    if (asked[name] !== mine) return true; // a later turn knows better
    put(content, panels[name].show(data, () => fill(name, once(get)), tell));
    section.classList.remove("stale");
    return true;
  } catch (problem) {
    if (asked[name] !== mine) return true;
    const [text, honest] = reason(problem);
    // What was shown stays, marked as old: it is better than nothing, and must not be taken for new.
    if (content.dataset.filled && !honest) {
      section.classList.add("stale");
      section.querySelector(".old")?.remove();
      section.querySelector("h2").after(el("p", { class: "notice error old" }, `${text} What follows is old.`));
    } else {
      put(content, hint(text));
      delete content.dataset.filled;
    }
    return honest;
  } finally {
    content.setAttribute("aria-busy", "false");
  }
}

// The second is true where nothing is wrong with the page or the service: there is just nothing to show.
function reason(problem) {
  if (problem.status === 404) return ["This is not served here: the app runs other services, or an older version.", true];
  if (problem.status === 403) return ["Your account or key may not see this.", true];
  if (problem.code?.endsWith("_not_configured")) return [problem.message, true];
  if (problem.status === 429) return ["Too many requests; it goes on with the next turn.", false];
  if (problem.status >= 500) return [`The service does not answer: ${problem.message}`, false];
  if (problem.status) return [problem.message, false];
  return ["There was no answer. Is the app running, and are you connected?", false];
}

function put(content, made) {
  const key = content.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  if ([...content.querySelectorAll("input[type=text], textarea")].some((field) => field.value)) return; // somebody is writing here
  content.closest("section").querySelector(".old")?.remove();
  const wanted = [made].flat();
  if (!(wanted.length === content.children.length && wanted.every((child, i) => child === content.children[i]))) content.replaceChildren(...wanted);
  content.dataset.filled = "yes";
  if (key) content.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
}

// Does something and says what came of it, where screen readers hear it.
async function tell(act) {
  const notice = by("done");
  notice.classList.remove("error");
  try {
    notice.textContent = await act();
  } catch (problem) {
    notice.classList.add("error");
    notice.textContent = problem.status ? problem.message : "There was no answer.";
  }
}

function plan() {
  clearTimeout(timer);
  if (!paused && !document.hidden && signedIn()) timer = setTimeout(turn, Math.max(0, turnAt + EVERY - Date.now()));
}

document.addEventListener("visibilitychange", plan);
by("refresh").addEventListener("click", turn);
by("pause").addEventListener("click", () => {
  paused = !paused;
  by("pause").setAttribute("aria-pressed", String(paused));
  by("state").textContent = paused ? "Paused" : "Goes on";
  plan();
});

// --- signing in and out ---

function show() {
  const inside = signedIn();
  by("sign-in").hidden = inside;
  by("panels").hidden = !inside;
  by("controls").hidden = !inside;
  if (inside) turn();
  else by("state").textContent = "Not signed in";
}

function leave(text) {
  clearTimeout(timer);
  mfaToken = null;
  by("code-field").hidden = true;
  for (const form of document.querySelectorAll("#sign-in form")) form.reset();
  for (const content of document.querySelectorAll("#panels .content")) {
    content.replaceChildren(hint("Loading …"));
    delete content.dataset.filled;
  }
  by("done").textContent = "";
  show();
  by("sign-in-notice").textContent = text;
}

async function attempt(form, act) {
  const notice = by("sign-in-notice");
  const pressed = form.querySelector("button");
  notice.classList.remove("error");
  notice.textContent = "";
  pressed.disabled = true;
  try {
    await act(new FormData(form));
    form.reset();
    mfaToken = null;
    show();
    by("refresh").focus();
  } catch (problem) {
    if (problem.code === "mfa_required") {
      mfaToken = problem.body.mfa_token;
      by("code-field").hidden = false;
      by("code").required = true;
      by("code").focus();
      notice.textContent = "Enter the code that your app shows.";
    } else {
      notice.classList.add("error");
      notice.textContent = problem.status === 404 ? "Accounts are not served here. Use a token." : problem.status ? problem.message : "There was no answer. Check your connection.";
    }
  } finally {
    pressed.disabled = false;
  }
}

by("password-form").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(event.target, (fields) => (mfaToken
    ? signInWithCode(mfaToken, fields.get("code").trim())
    : signIn(fields.get("email"), fields.get("password"))));
});
by("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(event.target, async (fields) => takeToken(fields.get("token")));
});
by("sign-out").addEventListener("click", async () => {
  await signOut();
  leave("You are signed out.");
  by("email").focus();
});
whenEnded(leave);
show();
