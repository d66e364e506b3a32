"""Mail: handed in here by any service, sent from its queue in every app."""

from functools import cached_property
from typing import TYPE_CHECKING

from shared_code.mail.ports import Mailer, Provider

from .core import Core

if TYPE_CHECKING:
    from shared_code.mail.events import MailEvents
    from shared_code.mail.outbox import Outbox
    from shared_code.mail.records import Records
    from shared_code.mail.suppressions import Suppressions
    from shared_code.mail.webhook import SendGridReports


class MailParts(Core):
    @cached_property
    def mailer(self) -> Mailer:
        from shared_code.mail.queued import QueuedMailer

        return QueuedMailer(self.events, self.clock)

    @cached_property
    def mail_provider(self) -> Provider | None:
        """None unless SendGrid's key and the sender's address are set."""
        settings = self.settings
        if not (settings.sendgrid_api_key and settings.sendgrid_from_email):
            return None
        from shared_code.mail.sendgrid_provider import SendGrid

        return SendGrid(
            settings.sendgrid_api_key, settings.sendgrid_from_email, settings.sendgrid_from_name, settings.sendgrid_api_base, self.clock
        )

    @cached_property
    def mail_outbox(self) -> "Outbox | None":
        """None in production, and where SendGrid's key is set."""
        if not self.settings.mail_outbox:
            return None
        from shared_code.mail.outbox import Outbox

        return Outbox(self.storage.tables, self.clock)

    @cached_property
    def mail_records(self) -> "Records":
        from shared_code.mail.records import Records

        return Records(self.storage.tables, self.clock)

    @cached_property
    def mail_suppressions(self) -> "Suppressions":
        from shared_code.mail.suppressions import Suppressions

        return Suppressions(self.storage.tables)

    @cached_property
    def mail_events(self) -> "MailEvents":
        from shared_code.mail.delivery import Delivery
        from shared_code.mail.events import MailEvents

        return MailEvents(
            Delivery(
                records=self.mail_records,
                suppressions=self.mail_suppressions,
                events=self.events,
                queues=self.storage.queues,
                provider=self.mail_provider,
                outbox=self.mail_outbox,
                product=self.settings.sendgrid_from_name,
            )
        )

    @cached_property
    def sendgrid_reports(self) -> "SendGridReports":
        from shared_code.mail.webhook import SendGridReports

        return SendGridReports(self.settings.sendgrid_webhook_public_key, self.mail_suppressions, self.clock)
