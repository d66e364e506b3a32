"""What each mail says. This is the one list of the values that a template takes (a ``?`` marks what may be missing):

verify_email       link, device?, address?
reset_password     link
password_changed   address?, device?, time?
new_device         device?, address?, time?
receipt            amount, currency, description?, number?, url?
payment_failed     amount, currency, portal_url?
share_notice       filename, link, from_name?
alert              title, detail?, link?

Links are absolute http(s) URLs, ``time`` is RFC 3339. Values come from anywhere: what they may do to a line, a header or a
page is settled here and in ``rendering.py``.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from .ports import Template

MAX_VALUE = 1000
"""Characters shown of a value."""
MAX_URL = 2000
"""Characters of a link; a longer one is refused, as half of it leads nowhere."""
MAX_NAME = 80

# Directions could turn a link's text around (Unicode Technical Report 36, 2.6.2).
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_URL = re.compile(r"https?://[^\s/?#@\\<>\"]+([/?#][^\s<>\"\\]*)?", re.I)
# What a mail program would turn into a link of a stranger's choice.
_LINK_LIKE = re.compile(r"[/@<>\\]|\w{2,}\.\w{2,}")


@dataclass(frozen=True, slots=True)
class Wording:
    """One mail's parts in order; all are plain lines."""

    subject: str
    heading: str
    paragraphs: tuple[str, ...]
    facts: tuple[tuple[str, str], ...] = ()
    """Labels and values; one without a value is not shown."""
    action: tuple[str, str] | None = None
    """What a link does, and its URL."""
    closing: tuple[str, ...] = ()


def line(text: str | None, limit: int = MAX_VALUE) -> str:
    """The text as one line: no control characters, line ends, directions or half characters; shortened to ``limit``."""
    kept = (" " if unicodedata.category(each) in ("Cc", "Zl", "Zp", "Zs") else each for each in text or "" if not _is_hidden(each))
    joined = " ".join("".join(kept).split())
    return joined if len(joined) <= limit else joined[: limit - 1].rstrip() + "…"


def person(name: str | None) -> str:
    """A name that somebody chose for themselves, or nothing when it would become a link in a mail program."""
    found = line(name, MAX_NAME)
    return "" if _LINK_LIKE.search(found) else found


def worded(template: Template, values: Mapping[str, str], product: str) -> Wording:
    """Raises ValueError when the template misses a value that it cannot do without, or a link is none."""
    return _WORDINGS[template](_Values(values), product)


class _Values:
    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        return line(self._values.get(name))

    def required(self, name: str) -> str:
        if not (found := self.text(name)):
            raise ValueError(f"the mail needs {name}")
        return found

    def url(self, name: str) -> str:
        """Empty unless it is a URL that a mail may hold."""
        found = (self._values.get(name) or "").strip()
        return found if len(found) <= MAX_URL and _URL.fullmatch(found) and line(found, MAX_URL) == found else ""

    def link(self, name: str) -> str:
        if not (found := self.url(name)):
            raise ValueError(f"the mail needs {name}, an absolute http(s) URL")
        return found

    def action(self, label: str, name: str) -> tuple[str, str] | None:
        found = self.url(name)
        return (label, found) if found else None

    def time(self) -> str:
        found = self.text("time")
        try:
            return f"{datetime.fromisoformat(found).astimezone(UTC):%Y-%m-%d %H:%M} UTC" if found else ""
        except (ValueError, OverflowError):
            return found

    def where(self) -> tuple[tuple[str, str], ...]:
        return ("Device", self.text("device")), ("Network address", self.text("address")), ("Time", self.time())


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) == "Cs" or character in _DIRECTIONS


def _verify_email(values: _Values, product: str) -> Wording:
    return Wording(
        f"Confirm your e-mail address for {product}",
        "Confirm your e-mail address",
        (f"Somebody, hopefully you, gave this address to {product}. Confirm that it is yours:",),
        values.where(),
        action=("Confirm this address", values.link("link")),
        closing=(
            "The link works once and for 24 hours.",
            "If it was not you, do not confirm: whoever gave your address knows the account's password. Ignore this mail, or set a "
            "password of your own by asking for a new one, which signs everybody else out.",
        ),
    )


def _reset_password(values: _Values, product: str) -> Wording:
    return Wording(
        f"Reset your {product} password",
        "Reset your password",
        (f"Somebody, hopefully you, asked to reset the password of your {product} account. Choose a new one here:",),
        action=("Choose a new password", values.link("link")),
        closing=("The link works once and for one hour.", "If it was not you, ignore this mail: your password stays as it is."),
    )


def _password_changed(values: _Values, product: str) -> Wording:
    return Wording(
        f"Your {product} password was changed",
        "Your password was changed",
        (f"The password of your {product} account was changed.",),
        values.where(),
        closing=("If it was not you, reset your password at once: that signs every device out.",),
    )


def _new_device(values: _Values, product: str) -> Wording:
    return Wording(
        f"New sign-in to your {product} account",
        "A new device signed in",
        (f"Your {product} account was signed in to from a device that it has not seen before.",),
        values.where(),
        closing=("If it was you, there is nothing to do. If not, change your password, which signs every other device out.",),
    )


def _receipt(values: _Values, product: str) -> Wording:
    amount = f"{values.required('amount')} {values.required('currency').upper()}"
    return Wording(
        f"Receipt from {product}: {amount}",
        "Thank you for your payment",
        (f"{product} has received your payment.",),
        (("Amount", amount), ("For", values.text("description")), ("Number", values.text("number"))),
        values.action("Show the receipt", "url"),
    )


def _payment_failed(values: _Values, product: str) -> Wording:
    amount = f"{values.required('amount')} {values.required('currency').upper()}"
    portal = values.action("Update how you pay", "portal_url")
    advice = "Check how you pay and try again:" if portal else f"Check in {product} how you pay and try again."
    return Wording(
        f"Your payment to {product} failed", "Your payment failed", (f"A payment of {amount} could not be taken. {advice}",), action=portal
    )


def _share_notice(values: _Values, product: str) -> Wording:
    sender = person(values.text("from_name")) or "Somebody"
    filename = values.required("filename")
    return Wording(
        f"{sender} shared “{line(filename, 100)}” with you",
        "A file was shared with you",
        (f"{sender} shared a file with you on {product}.",),
        (("File", filename),),
        ("Open the file", values.link("link")),
        ("Open it only if you expect something from them.",),
    )


def _alert(values: _Values, product: str) -> Wording:
    title, detail = values.required("title"), values.text("detail")
    return Wording(f"{product} alert: {line(title, 120)}", title, (detail,) if detail else (), action=values.action("Look at it", "link"))


_WORDINGS: dict[Template, Callable[[_Values, str], Wording]] = {
    "verify_email": _verify_email,
    "reset_password": _reset_password,
    "password_changed": _password_changed,
    "new_device": _new_device,
    "receipt": _receipt,
    "payment_failed": _payment_failed,
    "share_notice": _share_notice,
    "alert": _alert,
}
TEMPLATES = frozenset(_WORDINGS)
