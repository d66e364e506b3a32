"""Delivery of events: signed as Stripe signs, tried again with growing pauses, with faults on demand.

Deliveries are rows of the store, so that they outlive the process. In manual mode nothing is sent until a test says what and in which
order. https://docs.stripe.com/webhooks#verify-manually
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from .store import Object, Store

PAUSES = (1, 2, 4, 8, 15, 30, 60)  # seconds before the second attempt, the third, …; then the last, until MOST_ATTEMPTS
MOST_ATTEMPTS = 300  # five hours or so; Stripe's go on for three days
TIMEOUT = 20.0  # seconds for one attempt

Send = Callable[[bytes, dict[str, str]], Awaitable[int]]


def sign(body: bytes, secrets: Iterable[str], at: int) -> str:
    """The Stripe-Signature header: one `v1` for each secret, as while one is being rolled."""
    signed = str(at).encode() + b"." + body
    made = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={each}" for each in made)])


class Webhooks:
    """`send` makes one attempt and returns the status. Faults are counts of coming events that suffer them."""

    def __init__(self, store: Store, secret: str, send: Send | None) -> None:
        self._store = store
        self._secrets = secret.split(",")
        self._send = send
        self._woken = asyncio.Event()
        self.faults: dict[str, Any] = {}
        self.manual = False
        self.pauses: tuple[float, ...] = PAUSES

    def enqueue(self, event: Object) -> None:
        """Called in the transaction that made the event."""
        if self._send is None:
            event["pending_webhooks"] = 0
            return
        status, copies, at = "pending", 1, time.time()
        if self._takes("drop"):
            status = "dropped"
        elif self._takes("duplicate"):
            copies = 2
        if self._takes("delay"):
            at += self.faults.get("delay_seconds", 5)
        if self._takes("reorder"):
            at += self.faults.get("reorder_seconds", 1)  # later ones overtake it
        for _ in range(copies):
            row = {"id": self._store.new_id("whd"), "event": event["id"], "type": event["type"], "status": status, "attempts": 0}
            self._store.add("_delivery", {**row, "next_at": at, "response": None})

    def _takes(self, fault: str) -> bool:
        left = self.faults.get(fault, 0)
        if left > 0:
            self.faults[fault] = left - 1
        return bool(left > 0)

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Deliver what is due, until cancelled. One after the other, in order of their due times."""
        while True:
            due = self._next()
            pause = None if due is None or self.manual else max(0.0, due["next_at"] - time.time())
            if pause == 0.0 and due is not None:
                await self.deliver(due["id"])
                continue
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), pause)

    def _next(self) -> Object | None:
        waiting = (row for row in self._store.all("_delivery") if row["status"] == "pending")
        return min(waiting, key=lambda row: row["next_at"], default=None)

    async def deliver(self, id: str) -> int | None:
        """One attempt. Returns the status, None when no answer came; the outcome is recorded."""
        row = self._store.peek("_delivery", id)
        event = self._store.peek("event", row["event"]) if row else None
        if row is None or event is None or self._send is None:
            return None
        body = json.dumps(event, indent=2).encode()
        at = int(time.time())  # of the attempt, not of the event: receivers refuse old signatures
        headers = {
            "content-type": "application/json; charset=utf-8",
            "stripe-signature": sign(body, self._secrets, at),
            "user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        status: int | None = None
        with contextlib.suppress(Exception):  # whatever the receiver does, it is tried again
            status = await asyncio.wait_for(self._send(body, headers), TIMEOUT)
        self._record(id, status)
        return status

    def _record(self, id: str, status: int | None) -> None:
        row = self._store.get("_delivery", id)
        if row is None:  # reset in the meantime
            return
        row["attempts"] += 1
        row["response"] = status
        if status is not None and 200 <= status < 300:
            row["status"] = "delivered"
            event = self._store.get("event", row["event"])
            if event is not None:
                event["pending_webhooks"] = 0
        elif row["attempts"] >= MOST_ATTEMPTS:
            row["status"] = "given_up"
        else:
            row["next_at"] = time.time() + self.pauses[min(row["attempts"], len(self.pauses)) - 1]
        self._store.commit()


def http_sender(url: str) -> Send:
    """Sends with aiohttp, on one session that is made when first needed."""
    import aiohttp

    sessions: list[aiohttp.ClientSession] = []

    async def send(body: bytes, headers: dict[str, str]) -> int:
        if not sessions:
            sessions.append(aiohttp.ClientSession(auto_decompress=False))
        async with sessions[0].post(url, data=body, headers=headers, allow_redirects=False) as response:
            await response.read()
            return response.status

    async def close() -> None:
        for session in sessions:
            await session.close()

    send.close = close  # type: ignore[attr-defined]  # who has a sender may ask it to close
    return send
