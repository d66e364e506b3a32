"""Our own pages: plain HTML made here, with a strict policy and nothing from elsewhere, so that they work with no outside network."""

import html
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from starlette.responses import HTMLResponse, Response

from . import assets

POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

OUTBOX = """<h2>Mail</h2>
<p>Nothing is sent from here: <code>GET /api/mail/outbox</code> shows every mail to an administrator (an account named in
<code>ADMIN_EMAILS</code>).</p>"""


def wants_html(accept: str) -> bool:
    """Whether a browser asks: it names text/html, and no JSON type before it."""
    kinds = [kind.partition(";")[0].strip() for kind in accept.lower().split(",")]
    return "text/html" in kinds and "application/json" not in kinds[: kinds.index("text/html")]


def asset(name: str, of: str | None = None) -> Response | None:
    return assets.asset(name, of)


STATES = {"ok": "works", "degraded": "works in part", "unknown": "not known", "down": "does not work", "not_configured": "not configured"}
DOORS = {
    "/docs": ("API reference", "Every route with its parameters and answers."),
    "/status": ("Status", "What works now, and what did not in the last 90 days."),
    "/monitor": ("Monitor", "Traffic, errors, payments, queues: for administrators."),
    "/openapi.json": ("OpenAPI document", "For clients that are generated."),
    "/health": ("Health", "The same as below, as JSON."),
}


def home(facts: Mapping[str, Any], health: Mapping[str, Mapping[str, Any]], paths: Collection[str], *, outbox: bool = False) -> Response:
    """The front door. ``health`` is each service's state, ``paths`` what this app answers, ``outbox``: mail ends here, and a developer
    wonders where."""
    doors = "".join(
        f'<li><a href="{path}"><b>{title}</b> <span>{html.escape(text)}</span></a></li>'
        for path, (title, text) in DOORS.items()
        if path in paths
    )
    services = "".join(_service(service, health[service]) for service in facts["services"])
    return page(
        "Lydian",
        f"""<h1>Lydian <small>{html.escape(facts["version"])}</small></h1>
<p>This back end is running in <b>{html.escape(facts["mode"])}</b> mode.</p>
<ul class="doors">{doors}</ul>
<h2>Services</h2>
<ul class="states">{services}</ul>
<h2>Try it</h2>
<pre>curl -s {html.escape(facts["health"])}</pre>
<p>The README's tour signs a user in, uploads a photo and shares it.</p>
{OUTBOX if outbox else ""}""",
    )


def _service(name: str, state: Mapping[str, Any]) -> str:
    status = str(state["status"])
    detail = f' <span class="hint">{html.escape(str(state["detail"]))}</span>' if state.get("detail") else ""
    return f'<li class="{html.escape(status)}"><b>{html.escape(name)}</b> {html.escape(STATES.get(status, status))}{detail}</li>'


def reference(document: Mapping[str, Any]) -> str:
    """Every operation of an OpenAPI document, by tag: the reference page's HTML."""
    sections: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            sections.setdefault(operation.get("tags", ["other"])[0], []).append(_operation(document, path, method, operation))
    contents = "".join(f'<a href="#{html.escape(tag)}">{html.escape(tag)}</a> ' for tag in sections)
    body = ""
    for tag, items in sections.items():
        body += f'<section id="{html.escape(tag)}"><h2>{html.escape(tag)}</h2>{"".join(items)}</section>'
    return f'<h1>API reference</h1><nav class="links">{contents}<a href="/openapi.json">openapi.json</a></nav>{body}'


def _operation(document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> str:
    lock = '<span class="lock">needs a token</span>' if operation.get("security") else '<span class="lock">open</span>'
    text = _prose(operation.get("description") or operation.get("summary") or "")
    parameters = "".join(
        _row(document, item["name"], item["in"], item["schema"], item.get("description") or item["schema"].get("description") or "")
        for item in operation.get("parameters", ())
        if item["in"] != "header"
    )
    body = _body(document, operation)
    table = f"<table><tr><th>name</th><th>in</th><th>type</th><th>meaning</th></tr>{parameters}{body}</table>" if parameters or body else ""
    answers = ", ".join(f"<code>{html.escape(code)}</code>" for code in operation["responses"] if code != "default")
    return (
        f'<details id="{html.escape(operation["operationId"])}"><summary><span class="line"><b class="{method}">{method.upper()}</b> '
        f"<code>{html.escape(path)}</code> {lock}</span></summary><p>{text}</p>{table}<p>Answers {answers}, or a problem.</p></details>"
    )


def _body(document: Mapping[str, Any], operation: Mapping[str, Any]) -> str:
    rows = []
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = _resolve(document, content.get("schema", {}))
        required = schema.get("required", ())
        for name, field in schema.get("properties", {}).items():
            meaning = field.get("description", "") + (" (required)" if name in required else "")
            place = "form" if kind.startswith("multipart") else "body"
            rows.append(_row(document, name, place, field, meaning))
            for inner, each in _resolve(document, field).get("properties", {}).items():
                rows.append(_row(document, f"{name}.{inner}", place, each, each.get("description", "")))
    return "".join(rows)


def _prose(text: str) -> str:
    """A docstring's text, with what it quotes in backticks as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(text))


def _row(document: Mapping[str, Any], name: str, place: str, schema: Mapping[str, Any], meaning: str) -> str:
    cells = (f"<code>{html.escape(name)}</code>", place, _type(document, schema), _prose(meaning))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _resolve(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    for option in schema.get("anyOf", ()):
        if "$ref" in option:
            schema = option
    reference = schema.get("$ref")
    return document["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema


def _type(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return html.escape(" | ".join(map(str, schema["enum"])))
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    if options:
        return " | ".join(_type(document, option) for option in options)
    if "$ref" in schema:
        return _type(document, _resolve(document, schema))
    if schema.get("type") == "array" and schema.get("items"):
        return f"list of {_type(document, schema['items'])}"
    return html.escape(str(schema.get("type") or "any"))


def page(
    title: str,
    body: str,
    *,
    policy: str = POLICY,
    script: str = "",
    styles: Sequence[str] = (),
    modules: Sequence[str] = (),
    head: str = "",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A whole page. ``body`` is HTML; ``script``, ``styles`` and ``modules`` name assets: scripts need a ``policy`` of their own.
    ``head`` is HTML for the page's head."""
    load = "".join(f'<link rel="stylesheet" href="{assets.url(name)}">' for name in ("lydian.css", *styles))
    if "img-src 'self'" in policy:
        load += f'<link rel="icon" href="{assets.url("lydian.svg")}">'
    load += f'<script src="{assets.url(script)}" defer></script>' if script else ""
    load += "".join(f'<script type="module" src="{assets.url(name)}"></script>' for name in modules)
    return HTMLResponse(
        f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>{load}{head}</head><body><main>
{body}
</main></body></html>
""",
        headers={"Content-Security-Policy": policy, "Vary": "Accept", **(headers or {})},
    )
