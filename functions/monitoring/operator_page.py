"""The operator page (SPEC §9): static, with all it shows fetched by its scripts with an administrator's token.

The token lives in the page's tab only (sessionStorage) and travels in a header; the page loads nothing from elsewhere and runs
nothing inline.
"""

import html
from collections.abc import Sequence

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from functions.common import pages

# "form-action 'none'": a form whose script did not load must send a password nowhere.
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

PANELS: Sequence[tuple[str, str, str]] = (
    ("overview", "Overview", ""),
    ("traffic", "Traffic", "Requests of every app, from its own counters."),
    ("figures", "Figures", "What the services have counted, every five minutes."),
    ("routes", "Slowest routes", "By the time within which 95 of 100 requests were answered."),
    ("health", "Services and dependencies", "The last probe of each, and how much of 30 days it was up."),
    ("incidents", "Incidents", "Of the last 30 days."),
    ("alerts", "Alerts", "Rules that the probe timer evaluates, sent by mail and to the webhook."),
    ("events", "Webhook inbox", "Stripe’s events, newest first. A replay fetches the object again."),
    ("queues", "Queues", "Messages that failed five times wait in poison queues until they are moved back."),
    ("instances", "Instances", "Processes that have served lately."),
    ("announcements", "Announcements", "Shown on the status page."),
)
"""Id, heading and what a reader needs to know. Each is filled by the script of the same name, whatever becomes of the others."""

_SIGN_IN = """<section id="sign-in" class="card" hidden aria-labelledby="sign-in-title">
<h2 id="sign-in-title">Sign in</h2>
<p class="hint">For administrators. You stay signed in until you close this tab.</p>
<form id="password-form">
<label for="email">E-mail address</label>
<input id="email" name="email" type="email" autocomplete="username" required>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<div id="code-field" hidden>
<label for="code">Code from your app, or a recovery code</label>
<input id="code" name="code" type="text" autocomplete="one-time-code" inputmode="numeric" maxlength="100">
</div>
<button type="submit">Sign in</button>
</form>
<details><summary>Use a token instead</summary>
<form id="token-form">
<label for="token">An administrator’s access token or API key</label>
<input id="token" name="token" type="password" autocomplete="off" required>
<button type="submit">Use it</button>
</form></details>
<p class="notice" id="sign-in-notice" role="alert"></p>
</section>"""


def add_routes(router: APIRouter) -> None:
    router.get("/monitor", name="monitoring_page", response_class=HTMLResponse)(monitor)


async def monitor() -> Response:
    """The operator page. It is open; what it shows needs an administrator."""
    links = "".join(f'<a href="#{name}">{html.escape(title)}</a> ' for name, title, _ in PANELS)
    sections = "".join(_section(*panel) for panel in PANELS)
    body = f"""<header class="bar">
<h1>Lydian <small>monitor</small></h1>
<p id="state">Loading …</p>
<p id="change" class="unseen" role="status"></p>
<p class="buttons" id="controls" hidden>
<button type="button" id="pause" class="quiet" aria-pressed="false">Pause</button>
<button type="button" id="refresh" class="quiet">Refresh</button>
<button type="button" id="sign-out" class="quiet">Sign out</button>
</p>
</header>
<noscript><p class="notice error">This page needs JavaScript. Its figures are at <code>/api/monitoring/stats</code>.</p></noscript>
{_SIGN_IN}
<p class="notice" id="done" role="status" tabindex="-1"></p>
<div id="panels" hidden>
<nav class="links" aria-label="Sections">{links}</nav>
{sections}
</div>"""
    return pages.page(
        "Lydian monitor",
        body,
        policy=POLICY,
        styles=("uplot.css", "monitor.css"),
        script="uplot.js",
        modules=("monitor.js",),
        headers={"Cache-Control": "no-cache"},
    )


def _section(name: str, title: str, hint: str) -> str:
    said = f'<p class="hint">{html.escape(hint)}</p>' if hint else ""
    return (
        f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{html.escape(title)}</h2>{said}'
        f'<div class="content" aria-busy="true"><p class="hint">Loading …</p></div></section>'
    )
