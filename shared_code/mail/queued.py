"""Mail by way of a storage queue, so that no request waits for a mail system."""

import json

import structlog

from shared_code import ids
from shared_code.clock import Clock
from shared_code.storage.events import Events

from .ports import Mail

log = structlog.get_logger("lydian.mail")


class QueuedMailer:
    def __init__(self, events: Events, clock: Clock) -> None:
        self._events, self._clock = events, clock

    async def send(self, mail: Mail) -> None:
        try:
            await self._events.send(
                "mail",
                {
                    "kind": "send",
                    "id": ids.new_id(self._clock.now()),
                    "to": mail.to,
                    "name": mail.name,
                    "template": mail.template,
                    "values": json.dumps(dict(mail.values)),
                    "key": mail.key,
                    "attempt": 0,
                },
            )
        except Exception:  # whatever asked for a message has succeeded already
            log.exception("mail_not_queued", template=mail.template)
