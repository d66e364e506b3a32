// The pages that links in mails lead to. Nothing happens until the button is pressed: mail scanners open links, and some run scripts.
"use strict";

const form = document.querySelector("form");
const button = form.querySelector("button");
const notice = document.querySelector(".notice[role=status]");
const token = new URLSearchParams(location.search).get("token");

function tell(text, failed) {
  notice.classList.toggle("error", failed);
  notice.textContent = text;
}

function end(text, failed) {
  form.hidden = true;
  tell(text, failed);
  notice.focus(); // what had it is gone
}

async function send(body) {
  const answer = await fetch(form.dataset.action, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    credentials: "omit",
    cache: "no-store",
  });
  const problem = answer.ok ? null : await answer.json().catch(() => ({}));
  return problem;
}

async function submit() {
  const body = { token };
  for (const field of form.querySelectorAll("input[name]")) body[field.name] = field.value;
  button.disabled = true;
  tell("One moment …", false);
  try {
    const problem = await send(body);
    if (!problem) {
      history.replaceState(null, "", location.pathname); // the token is of no more use, nor need it stay in the history
      end(form.dataset.done, false);
    } else if (problem.code === "invalid_token") {
      end("This link is not valid any more: it was used, has expired, or was replaced by a newer one. Ask for a new link.", true);
    } else {
      tell(problem.detail || "Something went wrong. Please try again in a moment.", true);
    }
  } catch {
    tell("There was no answer. Check your connection and try again.", true);
  } finally {
    button.disabled = false;
  }
}

for (const box of form.querySelectorAll("[data-shows]")) {
  const field = document.getElementById(box.dataset.shows);
  box.addEventListener("change", () => { field.type = box.checked ? "text" : "password"; });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});

if (!token) end("This link is not complete. Copy the whole link from the mail, or ask for a new one.", true);
