"""Every template, with and without what may be missing, and with values that mean harm."""

from email.message import EmailMessage
from html.parser import HTMLParser
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.mail.ports import Template
from shared_code.mail.rendering import Rendered, render
from shared_code.mail.wording import TEMPLATES

LINK = "https://app.example.com/verify?token=a-b_c&lt=1"
NEEDED: dict[Template, dict[str, str]] = {
    "verify_email": {"link": LINK},
    "reset_password": {"link": LINK},
    "password_changed": {},
    "new_device": {},
    "receipt": {"amount": "12.50", "currency": "eur"},
    "payment_failed": {"amount": "12.50", "currency": "eur"},
    "share_notice": {"filename": "plan.pdf", "link": LINK},
    "alert": {"title": "Storage is slow"},
}
OPTIONAL: dict[Template, dict[str, str]] = {
    "verify_email": {},
    "reset_password": {},
    "password_changed": {"address": "192.0.2.7", "device": "Firefox on Linux", "time": "2026-01-31T13:00:00+01:00"},
    "new_device": {"address": "192.0.2.7", "device": "Firefox on Linux", "time": "2026-01-31T12:00:00.000Z"},
    "receipt": {"description": "Plan Pro", "number": "R-17", "url": LINK},
    "payment_failed": {"portal_url": LINK},
    "share_notice": {"from_name": "Ada"},
    "alert": {"detail": "p95 is 2 s", "link": LINK},
}
ALL = [(template, full) for template in sorted(TEMPLATES) for full in (False, True)]
VOID = {"meta", "br"}


class Page(HTMLParser):
    """Well-formed or an AssertionError; ``tags`` in order, ``text`` as read, ``links``."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.links: list[str | None] = []
        self.text, self._open = "", list[str]()
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "a":
            self.links.append(dict(attrs)["href"])
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data if self._open[-1:] != ["style"] else ""


def rendered(template: Template, values: dict[str, str], name: str | None = "Ada", product: str = "Lydian") -> Rendered:
    return render(template, values, name=name, product=product)


def test_every_template_is_covered() -> None:
    assert set(NEEDED) == set(OPTIONAL) == TEMPLATES == set(get_args(Template))


@pytest.mark.parametrize(("template", "full"), ALL)
def test_a_template(template: Template, full: bool) -> None:
    values = NEEDED[template] | (OPTIONAL[template] if full else {})
    mail = rendered(template, values)
    page = Page(mail.html)
    assert mail.html.startswith('<!doctype html>\n<html lang="en">')
    assert page.tags.count("h1") == page.tags.count("title") == 1
    assert {"viewport", "color-scheme"} <= {value for name, value in page.attributes if name == "name"}
    assert set(page.tags) <= {"html", "head", "body", "main", "meta", "title", "style", "h1", "p", "a", "br", "dl", "dt", "dd"}
    assert {name for name, _ in page.attributes} <= {"lang", "charset", "name", "content", "href"}, "nothing is fetched"
    assert "url(" not in mail.html
    assert "@import" not in mail.html
    url = next((values[key] for key in ("link", "url", "portal_url") if key in values), None)
    assert page.links == ([url] if url else [])
    if url:
        assert url in mail.text
        assert page.text.count(url) == 1, "also to be read and copied, and behind words that say what it does"
    for word in ("None", "  ", ": \n", "{", "()"):
        assert word not in mail.text + mail.subject, "no holes"
    assert "<dd></dd>" not in mail.html
    assert "<p></p>" not in mail.html
    assert "Hello Ada," in mail.text
    for key in set(values) - {"time", "currency", "link", "url", "portal_url"}:
        assert values[key] in mail.text
        assert values[key] in page.text


def test_time_is_utc_and_whatever_else_is_shown_as_it_is() -> None:
    assert "2026-01-31 12:00 UTC" in rendered("password_changed", OPTIONAL["password_changed"]).text
    assert "Time: this morning" in rendered("password_changed", {"time": "this morning"}).text


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_what_a_template_needs(template: Template) -> None:
    for missing in NEEDED[template]:
        values = {key: value for key, value in NEEDED[template].items() if key != missing}
        for emptied in (values, values | {missing: " \r\n"}):
            with pytest.raises(ValueError, match=missing):
                rendered(template, emptied)


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "/relative", "https://", "https://a.example/\nB", 'https://a.example/"onclick="', "https://a b.example",
     "https://evil.example\\@good.example/", "https://good.example@evil.example/", "data:text/html,x",
     "https://a.example/\u202e", "https://a.example/" + "x" * 2000],
)  # fmt: skip
def test_links_that_are_none(url: str) -> None:
    with pytest.raises(ValueError, match="link"):
        rendered("verify_email", {"link": url})
    assert "href" not in rendered("alert", {"title": "t", "link": url}).html


@pytest.mark.parametrize("name", ["http://evil.example", "Visit evil.example now", "a@b.example", "<b>", "", None, "\r\n"])
def test_a_name_that_would_be_a_link_greets_nobody(name: str | None) -> None:
    mail = rendered("verify_email", NEEDED["verify_email"], name)
    assert "\n\nHello,\n\n" in mail.text
    assert rendered("share_notice", NEEDED["share_notice"] | {"from_name": name or ""}).subject.startswith("Somebody shared")


def test_a_name_as_people_have_them() -> None:
    for name in ("J. R. Smith", "Renée O’Connor-Łuk", "李小龍", "A.B."):
        assert f"Hello {name}," in rendered("password_changed", {}, name).text


def test_a_product_name_of_ones_own() -> None:
    assert rendered("verify_email", NEEDED["verify_email"], product="Café & Co\r\nBcc: x").subject.endswith("Café & Co Bcc: x")


HOSTILE = st.text(st.characters(codec="utf-16", exclude_categories=())) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        '"><img src=x>',
        "a\r\nBcc: victim@example.com",
        "\u2028x",
        "&lt;",
        "x" * 5000,
        "{0}",
        "%s",
        "$x",
        "\ud800",
    ]
)


@given(template=st.sampled_from(sorted(TEMPLATES)), text=HOSTILE, name=HOSTILE, product=HOSTILE)
@settings(max_examples=120)
def test_values_stay_values(template: Template, text: str, name: str, product: str) -> None:
    values = NEEDED[template] | OPTIONAL[template]
    calm = rendered(template, values)
    hostile = {key: value if "://" in value else text + "x" for key, value in values.items()}
    mail = render(template, hostile, name=name, product=product)
    page = Page(mail.html)
    assert set(page.tags) <= set(Page(calm.html).tags), "no value makes an element"
    assert page.links == Page(calm.html).links
    message = EmailMessage()
    message["Subject"] = mail.subject
    assert len(mail.subject) <= 200
    assert not set(mail.subject) & set("\r\n\0\u2028\u2029\u202e")
    for part in (mail.subject, mail.text, mail.html):
        part.encode()
        assert not set(part.replace("\n", "")) & {chr(code) for code in (*range(32), *range(127, 160))}
