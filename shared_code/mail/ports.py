"""Where mail is handed in. A service asks for a message; the mail service sends it later, from a queue."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

Template = Literal[
    "verify_email", "reset_password", "password_changed", "new_device", "receipt", "payment_failed", "share_notice", "alert"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mail:
    """``values`` are what the template shows: texts, and links as absolute URLs. None of them is trusted."""

    to: str
    template: Template
    values: Mapping[str, str] = field(default_factory=dict)
    name: str | None = None
    """How the recipient is called, if known."""
    key: str = ""
    """Two messages with one key are one: a job that runs twice sends once. Empty: each is its own."""


class Mailer(Protocol):
    async def send(self, mail: Mail) -> None:
        """Hand in a message. It never raises and waits for no mail system: what cannot be queued is logged."""
