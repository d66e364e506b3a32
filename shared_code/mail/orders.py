"""A message as its event carries it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from shared_code import emails, ids
from shared_code.storage.events import Event

from .ports import Template
from .wording import TEMPLATES

ATTEMPTS = 8
"""How often a message is tried. A replay from the poison queue counts on from there, for as many tries again."""


@dataclass(frozen=True, slots=True)
class Order:
    id: str
    to: str
    name: str | None
    template: Template
    values: Mapping[str, str]
    key: str = ""
    attempt: int = 0
    waits: int = 0
    """How often it found another at work on the same message."""

    @classmethod
    def of(cls, event: Event) -> "Order":
        """Raises ValueError for what is no message, so that it ends in the poison queue to be looked at."""
        template, attempt, waits, name = event.get("template"), event.get("attempt", 0), event.get("waits", 0), event.get("name")
        if template not in TEMPLATES:  # a newer sender's, which a later deployment may know
            raise ValueError(f"mail knows no template {template!r}")
        values = json.loads(str(event.get("values") or "{}"))
        order_id = str(event.get("id"))
        if not isinstance(values, dict) or not isinstance(attempt, int) or not isinstance(waits, int) or not ids.is_id(order_id):
            raise ValueError("not a message: an id, values and a number of attempts are wanted")
        return cls(
            id=order_id,
            to=str(event.get("to")),
            name=name if isinstance(name, str) else None,
            template=template,
            values={str(key): str(value) for key, value in values.items() if value is not None},
            key=str(event.get("key") or ""),
            attempt=attempt,
            waits=waits,
        )

    def event(self) -> Event:
        return {
            "kind": "send",
            "id": self.id,
            "to": self.to,
            "name": self.name,
            "template": self.template,
            "values": json.dumps(dict(self.values)),
            "key": self.key,
            "attempt": self.attempt,
            "waits": self.waits,
        }

    @property
    def message_id(self) -> str:
        """What names the message everywhere: one for all that have the same key. It gives nothing away."""
        return hashlib.sha256(f"key:{self.key}".encode("utf-8", "replace")).hexdigest()[:32] if self.key else self.id

    @property
    def handed_in_at(self) -> datetime:
        return datetime.fromtimestamp(ids.timestamp_ms(self.id) / 1000, UTC)

    @property
    def tries(self) -> int:
        """Which try of its round this is, from 1."""
        return self.attempt % ATTEMPTS + 1

    def next(self) -> "Order":
        return replace(self, attempt=self.attempt + 1, waits=0)

    def waited(self) -> "Order":
        return replace(self, waits=self.waits + 1)

    def again(self) -> "Order":
        """As an operator may send it again after the last try: a new round, which a record of the old one does not stop."""
        return replace(self, attempt=(self.attempt // ATTEMPTS + 1) * ATTEMPTS, waits=0)


def address_hash(address: str) -> str:
    """What is kept of an address: enough to ask about one that is known, too little to write to."""
    return hashlib.sha256(emails.normalise(address).encode("utf-8", "replace")).hexdigest()
