"""What SendGrid reports of mails: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event

A report is signed with ECDSA (P-256, SHA-256) over the text of its time and the raw body; the public key is the base64 of its
DER form, as SendGrid's settings page shows it (".../getting-started-event-webhook-security-features").
"""

import asyncio
import base64
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog

from shared_code import emails
from shared_code.clock import Clock
from shared_code.errors import InvalidRequest, NotConfigured, Unavailable

from .orders import address_hash
from .ports import MESSAGE_ID
from .suppressions import Suppressions

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

log = structlog.get_logger("lydian.mail")

MAX_AGE = timedelta(days=3)
"""SendGrid repeats a report for a day (".../tracking-events/troubleshooting"); what is older was kept by somebody."""
MAX_AHEAD = timedelta(minutes=10)
_MAX_HEADER = 1024
AT_ONCE = 32
"""Addresses of one request that are written in parallel."""

_DROPPED = {
    "bounced address": "bounce",
    "spam reporting address": "spamreport",
    "unsubscribed address": "unsubscribe",
    "invalid": "invalid",
}
"""Why SendGrid does not even try, of what concerns the address; its other reasons concern the message or our account."""


class SendGridReports:
    def __init__(self, public_key: str, suppressions: Suppressions, clock: Clock) -> None:
        self._configured, self._suppressions, self._clock = public_key, suppressions, clock
        self._key: EllipticCurvePublicKey | None = None

    def verify(self, body: bytes, signature: str | None, timestamp: str | None) -> None:
        """Raises InvalidRequest ``invalid_signature``, or NotConfigured without a usable key."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        key = self._public_key()
        if not signature or not timestamp or len(signature) > _MAX_HEADER or not re.fullmatch(r"[0-9]{1,12}", timestamp):
            raise _invalid()
        try:
            key.verify(base64.b64decode(signature, validate=True), timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        except (ValueError, InvalidSignature):
            raise _invalid() from None
        age = self._clock.now().timestamp() - int(timestamp)
        if not -MAX_AHEAD.total_seconds() <= age <= MAX_AGE.total_seconds():
            raise _invalid()

    async def receive(self, reports: Any) -> None:
        """Suppress the addresses that get no more mail. Safe to repeat, in any order. Raises InvalidRequest when it is no list.

        Each report counts by itself: one that cannot be read is skipped; where storage fails, the others are written and
        Unavailable is raised at the end, so that SendGrid comes again.
        """
        if not isinstance(reports, list):
            raise InvalidRequest("A list of events is wanted.", code="invalid_events")
        found = _suppressing(reports)
        stored: list[bool] = []
        for start in range(0, len(found), AT_ONCE):
            stored += await asyncio.gather(*(self._suppress(*each) for each in found[start : start + AT_ONCE]))
        if not all(stored):
            raise Unavailable("Some events could not be stored; send them again.", retry_after=30)

    async def _suppress(self, address: str, reason: str, report: dict[str, Any]) -> bool:
        event_id, message_id = (str(report.get(name))[:128] for name in ("sg_event_id", MESSAGE_ID))
        try:
            if await self._suppressions.add(address, reason, at=self._moment(report), event_id=event_id):
                log.warning("mail_address_suppressed", reason=reason, event_id=event_id, message_id=message_id)
        except Exception:
            log.exception("mail_report_failed", reason=reason, event_id=event_id)
            return False
        return True

    def _moment(self, report: dict[str, Any]) -> datetime:
        try:
            return datetime.fromtimestamp(int(report["timestamp"]), UTC)
        except (KeyError, TypeError, ValueError, OverflowError, OSError):
            return self._clock.now()

    def _public_key(self) -> "EllipticCurvePublicKey":
        if self._key is None:
            from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
            from cryptography.hazmat.primitives.serialization import load_der_public_key

            plain = re.sub(r"-----[A-Z ]+-----|\\n|\s", "", self._configured)  # also as PEM, on one line or several
            try:
                key = load_der_public_key(base64.b64decode(plain, validate=True)) if plain else None
            except ValueError:
                key = None
            if not isinstance(key, EllipticCurvePublicKey):
                if plain:
                    log.error("mail_webhook_key_unusable", remedy="SENDGRID_WEBHOOK_PUBLIC_KEY is the key of the signed event webhook")
                raise NotConfigured("SendGrid's event webhook is not configured.", code="mail_not_configured")
            self._key = key
        return self._key


def _suppressing(reports: Sequence[Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Address, reason and report, one for each address: what is said of it first."""
    found: dict[str, tuple[str, str, dict[str, Any]]] = {}
    for report in reports:
        if not isinstance(report, dict) or not isinstance(address := report.get("email"), str):
            log.warning("mail_report_unreadable")
            continue
        reason = _reason(report)
        # What SendGrid calls invalid need not be an address to us either; it is no mail's then.
        if reason is not None and emails.is_address(address):
            found.setdefault(address_hash(address), (address, reason, report))
    return list(found.values())


def _reason(report: dict[str, Any]) -> str | None:
    """Why the report's address gets no more mail; None when it does."""
    match report.get("event"):
        case "bounce":
            # ``blocked`` is a refusal of this message, not of the address. Without a type it is what it is called.
            return "bounce" if report.get("type", "bounce") == "bounce" else None
        case "dropped":
            return _DROPPED.get(str(report.get("reason")).strip().lower())
        case "spamreport" | "unsubscribe" as event:
            return str(event)
        case _:
            return None


def _invalid() -> InvalidRequest:
    return InvalidRequest("The webhook's signature is missing, wrong or too old.", code="invalid_signature")
