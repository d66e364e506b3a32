"""Where mail is handed in, and what sends it. A service asks for a message; the mail service sends it later, from a queue."""

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


MESSAGE_ID = "lydian_message_id"
"""Under this name a provider gives our id of a message back in its reports."""


@dataclass(frozen=True, slots=True)
class Message:
    """A mail as it leaves: ``id`` is ours, safe to show to a mail provider."""

    id: str
    to: str
    name: str
    subject: str
    text: str
    html: str


class TemporaryFailure(Exception):
    """Not sent now, or nobody knows: worth another try, in ``retry_after`` seconds at the earliest if the provider says so."""

    def __init__(self, code: str, retry_after: float = 0) -> None:
        super().__init__(code)
        self.code, self.retry_after = code, retry_after


class PermanentFailure(Exception):
    """Refused, and would be again. ``ours``: the settings are at fault, so that an operator can mend them and send again."""

    def __init__(self, code: str, *, ours: bool = False) -> None:
        super().__init__(code)
        self.code, self.ours = code, ours


class Provider(Protocol):
    async def send(self, message: Message) -> str:
        """Hand a message over; return the provider's id of it. Raises TemporaryFailure or PermanentFailure, nothing else."""
