// Who is signed in, and how the API is asked. Tokens are kept for this tab only: sessionStorage, which no other site and no other tab sees.

const KEPT = "lydian.monitor";
let tokens = read();
let renewal = null;
let onEnd = () => {};

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `The answer was ${status}.`);
    this.status = status;
    this.code = body.code || "";
    this.body = body;
  }
}

export const signedIn = () => tokens !== null;
export const whenEnded = (act) => { onEnd = act; };

export async function signIn(email, password) {
  await admit(await request("POST", "/api/auth/login", { email, password }));
}

export async function signInWithCode(mfa_token, code) {
  await admit(await request("POST", "/api/auth/login/mfa", { mfa_token, code }));
}

// Who is no administrator would see eleven panels that refuse: one sentence instead, and no session is left behind.
async function admit(found) {
  if (found.user.role === "admin") return keep(found);
  await request("POST", "/api/auth/logout", {}, found.access_token).catch(() => {});
  throw new Problem(403, { detail: "This is not an administrator’s account.", code: "forbidden" });
}

export function takeToken(token) {
  keep({ access_token: token.trim() });
}

export async function signOut() {
  const ended = tokens;
  forget();
  if (ended?.refresh_token) await request("POST", "/api/auth/logout", {}, ended.access_token).catch(() => {});
}

export const get = (path) => call("GET", path);
export const send = (method, path, body = {}, key = null) => call(method, path, body, key);

async function call(method, path, body, key = null) {
  const used = tokens?.access_token;
  try {
    return await request(method, path, body, used, key);
  } catch (problem) {
    if (problem.status !== 401 || !tokens) throw problem;
    const session = tokens.refresh_token;
    if (tokens.access_token === used && !(await renew())) {
      if (tokens) { // the first of those that were refused says so
        forget();
        onEnd(session ? "You were signed out: the session has ended." : "This token is not valid, or not any more.");
      }
      throw problem;
    }
    return request(method, path, body, tokens?.access_token, key);
  }
}

// One renewal serves all that were refused at the same time. False when the session has ended; a network that fails throws.
function renew() {
  renewal ??= (async () => {
    try {
      if (!tokens?.refresh_token) return false;
      keep(await request("POST", "/api/auth/refresh", { refresh_token: tokens.refresh_token }));
      return true;
    } catch (problem) {
      if (problem.status === 401) return false;
      throw problem;
    } finally {
      renewal = null;
    }
  })();
  return renewal;
}

async function request(method, path, body, token, key = null) {
  const headers = { Accept: "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (key) headers["Idempotency-Key"] = key;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    credentials: "omit",
    cache: "no-store",
    signal: AbortSignal.timeout(30_000),
  });
  if (answer.status === 204) return null;
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Problem(answer.status, found);
  return found;
}

function keep(found) {
  tokens = { access_token: found.access_token, refresh_token: found.refresh_token ?? null };
  sessionStorage.setItem(KEPT, JSON.stringify(tokens));
}

function forget() {
  tokens = null;
  sessionStorage.removeItem(KEPT);
}

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT));
  } catch {
    return null;
  }
}
