"""From a mail's words to its subject, text and HTML.

The HTML is one column of plain elements with system fonts: no image, no script, nothing fetched, readable on a phone, in dark
mode and aloud. Text and links have a contrast of more than 4.5 : 1 in both modes (WCAG 2.2, 1.4.3).
"""

import html
from collections.abc import Mapping
from dataclasses import dataclass

from .ports import Template
from .wording import Wording, line, person, worded

MAX_SUBJECT = 200

# Mail programs differ in what they keep of a style sheet: what must hold without it stands in the elements.
_STYLE = """body{margin:0;background:#ffffff;color:#1a1a1a}
main{max-width:34rem;margin:0 auto;padding:1.5rem 1rem;font:1rem/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
h1{font-size:1.4rem;line-height:1.3}
a{color:#1d4ed8}
p,dd{overflow-wrap:anywhere}
dt{font-weight:600}
dd{margin:0 0 .5rem}
@media (prefers-color-scheme:dark){body{background:#121212;color:#eeeeee}a{color:#9ec1ff}}"""


@dataclass(frozen=True, slots=True)
class Rendered:
    subject: str
    text: str
    html: str


def render(template: Template, values: Mapping[str, str], *, name: str | None, product: str) -> Rendered:
    """Raises ValueError for values with which the template makes no mail."""
    product = line(product) or "Lydian"
    wording = worded(template, values, product)
    known = person(name)
    greeting = f"Hello {known}," if known else "Hello,"
    subject = line(wording.subject, MAX_SUBJECT)
    return Rendered(subject, _text(wording, greeting, product), _html(wording, subject, greeting, product))


def _text(wording: Wording, greeting: str, product: str) -> str:
    facts = "\n".join(f"{label}: {value}" for label, value in wording.facts if value)
    action = "{}:\n{}".format(*wording.action) if wording.action else ""
    parts = (wording.heading, greeting, *wording.paragraphs, facts, action, *wording.closing, f"-- \n{product}")
    return "\n\n".join(part for part in parts if part) + "\n"


def _html(wording: Wording, subject: str, greeting: str, product: str) -> str:
    body = [f"<h1>{html.escape(wording.heading)}</h1>", *map(_paragraph, (greeting, *wording.paragraphs))]
    facts = "".join(f"<dt>{html.escape(label)}</dt><dd>{html.escape(value)}</dd>" for label, value in wording.facts if value)
    if facts:
        body.append(f"<dl>{facts}</dl>")
    if wording.action:
        label, url = (html.escape(part) for part in wording.action)
        body.append(f'<p><a href="{url}">{label}</a></p>')
        body.append(f"<p>If the link does not open, copy this address into your browser:<br>{url}</p>")
    body += map(_paragraph, wording.closing)
    body.append(_paragraph(product))
    joined = "\n".join(body)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{html.escape(subject)}</title>
<style>{_STYLE}</style></head><body><main>
{joined}
</main></body></html>
"""


def _paragraph(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"
