"""Security events as log lines, until the audit trail in storage is built."""

import structlog

log = structlog.get_logger("lydian.audit")


class LogAudit:
    async def record(self, kind: str, *, user_id: str | None, **details: str | int | bool | None) -> None:
        log.info("audit", kind=kind, user_id=user_id, **details)
