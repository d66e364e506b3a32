"""Mail: handed in here by any service, sent from its queue in every app."""

from functools import cached_property
from typing import TYPE_CHECKING

from shared_code.mail.ports import Mailer

from .core import Core

if TYPE_CHECKING:
    from shared_code.mail.events import MailEvents


class MailParts(Core):
    @cached_property
    def mailer(self) -> Mailer:
        from shared_code.mail.queued import QueuedMailer

        return QueuedMailer(self.events)

    @cached_property
    def mail_events(self) -> "MailEvents":
        from shared_code.mail.events import MailEvents

        return MailEvents()
