"""What is asked of mail."""

import structlog

from shared_code.storage.events import Event, unknown

log = structlog.get_logger("lydian.mail")


class MailEvents:
    async def handle(self, event: Event) -> None:
        """Carry out one event; safe to repeat."""
        if event["kind"] == "send":
            log.info("mail", template=event["template"])
        else:
            raise unknown("mail", event)
