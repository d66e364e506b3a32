"""Alerts: what the rules read of other services, and how operators are told."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .probing import ProbingParts
from .traffic import TrafficParts

if TYPE_CHECKING:
    from shared_code.monitoring.alert_rules import Rule
    from shared_code.monitoring.alerts import Alerts
    from shared_code.monitoring.notices import OperatorNotices
    from shared_code.monitoring.ports import Drift

SPEND_DAYS = 7


class AlertingParts(ProbingParts, TrafficParts):
    @cached_property
    def alerts(self) -> "Alerts":
        from shared_code.monitoring.alerts import Alerts

        return Alerts(self.storage.tables, self.clock, self._alert_rules(), self.operator_notices)

    @cached_property
    def operator_notices(self) -> "OperatorNotices":
        from shared_code.monitoring.notices import OperatorNotices
        from shared_code.monitoring.outside import post

        settings = self.settings
        return OperatorNotices(
            emails=settings.alert_emails,
            webhook=settings.alert_webhook_url,
            mail=self._mail_alert,
            post=post,
            product=settings.sendgrid_from_name,
            link=f"{settings.public_base_url}/monitor" if settings.public_base_url else "",
        )

    def _alert_rules(self) -> "list[Rule]":
        from shared_code.monitoring import alert_rules as rules

        settings, board, clock = self.settings, self.probe_board, self.clock
        found = [
            rules.dependency_down(board, clock),
            rules.not_probed(board, clock),
            rules.traffic(self.slo.recent, settings.alert_error_percent, settings.alert_p95_ms),
            rules.poison(self.queue_room),
            rules.ai_spend(self._ai_spend),
            rules.drift(self._drift),
        ]
        address = urlsplit(settings.public_base_url)
        if address.scheme == "https" and address.hostname:
            found.append(rules.certificate(self._certificate, clock, address.hostname))
        return found

    async def _mail_alert(self, email: str, values: dict[str, str], key: str) -> None:
        from shared_code.mail.ports import Mail

        await self.mailer.send(Mail(email, "alert", values, key=key))

    async def _ai_spend(self) -> Sequence[int]:
        from shared_code.ai.spending import day_of

        now = self.clock.now()
        days = [day_of(now - timedelta(days=back)) for back in range(SPEND_DAYS, -1, -1)]
        found = await self.ai_statistics.days(days[0], days[-1])
        return [sum(counts.micro for counts in found.get(day, {}).values()) for day in days]

    async def _drift(self) -> "Drift | None":
        from shared_code.monitoring.ports import Drift
        from shared_code.payments.reconcile import last_report

        report = await last_report(self.storage.tables)
        if report is None or report.finished_at is None:
            return None
        kinds: dict[str, int] = {}
        for each in report.drift:
            kinds[str(each["kind"])] = kinds.get(str(each["kind"]), 0) + 1
        return Drift(datetime.fromisoformat(report.finished_at), report.drifted, kinds)

    async def _certificate(self) -> datetime:
        from shared_code.monitoring.outside import certificate_expiry

        address = urlsplit(self.settings.public_base_url)
        return await certificate_expiry(address.hostname or "", address.port or 443)
