"""SendGrid's v3 API (https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send), by its own client in a thread."""

import asyncio
import email.utils
import http.client
import logging
import re
from collections.abc import Mapping
from datetime import UTC
from typing import Any, Protocol

import structlog

from shared_code.clock import Clock

from .ports import MESSAGE_ID, Message, PermanentFailure, TemporaryFailure

log = structlog.get_logger("lydian.mail")

TIMEOUT = 10.0
"""Seconds to connect, and for each read."""
TOTAL_TIMEOUT = 45.0
"""Seconds for everything; less than the lease of a record. The thread may go on for longer; what it gets is then unknown."""
_ACCEPTED = 202


class _Answer(Protocol):
    """What SendGrid's client, which has no types, returns and (with these members too) raises."""

    status_code: int
    headers: Mapping[str, str]


class SendGrid:
    def __init__(self, key: str, sender: str, sender_name: str, base_url: str, clock: Clock, *, timeout: float = TIMEOUT) -> None:
        self._key, self._sender, self._sender_name, self._base_url = key, sender, sender_name, base_url
        self._clock, self._timeout = clock, timeout

    async def send(self, message: Message) -> str:
        try:
            async with asyncio.timeout(TOTAL_TIMEOUT):
                return await asyncio.to_thread(self._send, message)
        except TimeoutError:
            raise TemporaryFailure("sendgrid_timeout") from None

    def _send(self, message: Message) -> str:
        from python_http_client.exceptions import HTTPError  # type: ignore[import-untyped]
        from sendgrid import SendGridAPIClient  # type: ignore[import-untyped]

        # At debug level it would log the key and the mail.
        logging.getLogger("python_http_client").setLevel(logging.WARNING)
        api = SendGridAPIClient(self._key, host=self._base_url)
        api.client.timeout = self._timeout
        try:
            answer: _Answer = api.send(self._body(message))
        except HTTPError as error:
            raise self._failure(error) from None
        except TimeoutError:
            raise TemporaryFailure("sendgrid_timeout") from None
        except (OSError, http.client.HTTPException) as error:
            raise TemporaryFailure(f"sendgrid_unreachable: {_kind(error)}") from None
        except Exception as error:
            # Its text may hold the key: http.client shows a header that it refuses.
            raise PermanentFailure(f"sendgrid_unusable: {_kind(error)}", ours=True) from None
        if answer.status_code != _ACCEPTED:  # such as a page behind a redirection, which is no acceptance
            raise TemporaryFailure(f"sendgrid_{answer.status_code}")
        return str(answer.headers.get("X-Message-Id") or "")[:128]

    def _body(self, message: Message) -> dict[str, Any]:
        to = {"email": message.to, **({"name": message.name} if message.name else {})}
        off = {"enable": False}
        return {
            # No personal data in custom arguments: SendGrid keeps them for ever.
            "personalizations": [{"to": [to], "custom_args": {MESSAGE_ID: message.id}}],
            "from": {"email": self._sender, "name": self._sender_name},
            "subject": message.subject,
            "content": [{"type": "text/plain", "value": message.text}, {"type": "text/html", "value": message.html}],
            # Links are secrets that work once: nobody else may see or rewrite them.
            "tracking_settings": {"click_tracking": {**off, "enable_text": False}, "open_tracking": off, "subscription_tracking": off},
        }

    def _failure(self, error: _Answer) -> TemporaryFailure | PermanentFailure:
        status = error.status_code
        if status in (408, 429) or status >= 500:
            return TemporaryFailure(f"sendgrid_{status}", retry_after=self._wait(error.headers))
        return PermanentFailure(f"sendgrid_{status}", ours=status in (401, 403))

    def _wait(self, headers: Mapping[str, str]) -> float:
        """Seconds by ``Retry-After`` (RFC 9110, 10.2.3), else by SendGrid's ``X-RateLimit-Reset`` (seconds since the epoch)."""
        now = self._clock.now().timestamp()
        after, reset = headers.get("Retry-After") or "", headers.get("X-RateLimit-Reset") or ""
        if re.fullmatch(r"[0-9]{1,9}", after):
            return float(after)
        try:
            moment = email.utils.parsedate_to_datetime(after)
        except ValueError:
            return max(0.0, float(reset) - now) if re.fullmatch(r"[0-9]{1,12}", reset) else 0.0
        return max(0.0, moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now)


def _kind(error: Exception) -> str:
    """The error's type, and what was behind it."""
    reason = getattr(error, "reason", None)
    return type(reason).__name__ if isinstance(reason, Exception) else type(error).__name__
