"""Who leaves, and who asks for what is stored about them: what concerns every service that knows users."""

from functools import cached_property
from typing import TYPE_CHECKING

from .auth import AuthParts

if TYPE_CHECKING:
    from shared_code.auth.deletion import Deletion
    from shared_code.auth.events import AuthEvents
    from shared_code.auth.export import Export
    from shared_code.auth.ports import Exporter


class LeavingParts(AuthParts):
    async def holders_of(self, user_id: str) -> list[str]:
        """The services that hold data of a user, and are told when they leave: each consumes ``user_deleted`` and answers. One
        that may not be deployed is named only for those who have used it: nobody else's deletion waits for it."""
        from shared_code.payments.customers import CUSTOMER_KEY, TABLE

        pays = await self.storage.tables.get(TABLE, user_id, CUSTOMER_KEY) is not None
        return ["files", *(["payments"] if pays else [])]

    @cached_property
    def auth_events(self) -> "AuthEvents":
        from shared_code.auth.events import AuthEvents

        return AuthEvents(accounts=self.accounts, one_time=self.one_time, mailer=self.mailer, audit=self.audit, deletion=self.deletion)

    @cached_property
    def deletion(self) -> "Deletion":
        from shared_code.auth.deletion import Deletion

        return Deletion(
            tables=self.storage.tables,
            clock=self.clock,
            accounts=self.accounts,
            sessions=self.sessions,
            lockout=self.lockout,
            index=self.user_index,
            events=self.events,
            audit=self.audit,
            trail=self.audit_retention,
            holders_of=self.holders_of,
            on_closed=self._on_closed,
        )

    def _on_closed(self, user_id: str) -> None:
        self.api_keys.forget(user_id)
        if self.supabase:
            self.supabase.closed(user_id)

    @cached_property
    def export(self) -> "Export":
        from shared_code.auth.export import Export

        return Export(
            tables=self.storage.tables,
            clock=self.clock,
            accounts=self.accounts,
            sessions=self.sessions,
            api_keys=self.api_keys,
            audit=self.audit,
            exporters=self.exporters(),
        )

    def exporters(self) -> "list[Exporter]":
        """Whoever stores something about users: each adds its own part."""
        from shared_code.audit.export import AuditExport

        return [AuditExport(self.audit_trail, self.clock)]
