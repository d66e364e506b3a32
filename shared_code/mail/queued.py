"""Mail by way of a storage queue, so that no request waits for a mail system."""

import json

import structlog

from shared_code.storage.events import Events

from .ports import Mail

log = structlog.get_logger("lydian.mail")


class QueuedMailer:
    def __init__(self, events: Events) -> None:
        self._events = events

    async def send(self, mail: Mail) -> None:
        try:
            values = json.dumps(dict(mail.values))
            await self._events.send(
                "mail", {"kind": "send", "to": mail.to, "name": mail.name, "template": mail.template, "values": values, "key": mail.key}
            )
        except Exception:  # whatever asked for a message has succeeded already
            log.exception("mail_not_queued", template=mail.template)
