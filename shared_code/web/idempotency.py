"""``Idempotency-Key`` for JSON POSTs that create or charge (SPEC §1).

The first answer is kept for 24 hours, encrypted under a key derived from the caller's ``Idempotency-Key``; storage holds
a hash of that key only. An error changed nothing, so it is not kept: the same request may be tried again.
"""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from starlette.responses import Response

from shared_code.clock import Clock
from shared_code.errors import InProgress, InvalidInput, InvalidRequest
from shared_code.storage.daily import table_for
from shared_code.storage.ports import AlreadyExists, Delete, EtagMismatch, Insert, Merge, Missing, Replace, Row, Tables, Value

HEADER = "idempotency-key"
TABLE = "idempotency"
KEPT = timedelta(hours=24)
ABANDONED = timedelta(minutes=10)
"""After this long (``functionTimeout``) a request that has no answer died, and its key may be taken over."""
MAX_ANSWER = 720_000
"""Bytes of an answer that is kept, sealed: what fits in a row (1 MiB) with room to spare. A larger one is given but not kept."""
_PIECE = 60_000
"""Bytes of it in one property, which takes 64 KiB: ``answer``, ``answer1``, ``answer2`` …"""

_KEPT_HEADERS = ("content-type", "location", "etag", "cache-control")


class Idempotency:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock
        self._working: set[asyncio.Task[Response]] = set()

    async def run(self, key: str, scope: str, body: bytes, call: Callable[[], Awaitable[Response]]) -> Response:
        """``call``'s answer, or the first answer to the same key, scope (caller and route) and body.

        Raises InvalidRequest for a malformed key, InvalidInput ``idempotency_key_reused`` for another body, and InProgress
        while the first request runs.
        """
        if not 1 <= len(key) <= 255:
            raise InvalidRequest("Idempotency-Key takes 1 to 255 characters.", code="invalid_idempotency_key")
        partition = hashlib.sha256(scope.encode()).hexdigest()
        row_key = hashlib.sha256(f"{scope}\0{key}".encode()).hexdigest()
        secret = hmac.digest(key.encode(), b"lydian idempotent answer\0" + scope.encode(), "sha256")
        # Keyed, as a body may hold a password: whoever reads storage shall not be able to try guesses against its hash.
        request_hash = hmac.digest(key.encode(), b"lydian idempotent request\0" + body, "sha256").hex()

        table, claimed = await self._claim(partition, row_key, request_hash)
        if claimed.values.get("answer"):
            return _replay(claimed, secret)
        # A client that leaves must not stop the work half-way: it will come back with the same key for the answer.
        work = asyncio.ensure_future(self._answer(table, claimed, secret, call))
        self._working.add(work)  # the loop itself keeps only a weak reference
        work.add_done_callback(self._finished)
        return await asyncio.shield(work)

    async def _answer(self, table: str, claimed: Row, secret: bytes, call: Callable[[], Awaitable[Response]]) -> Response:
        try:
            response = await call()
            kept = _keep(response, secret) if response.status_code < 300 else None
        except BaseException:
            await self._release(table, claimed)
            raise
        if kept is None:
            await self._release(table, claimed)
            return response
        try:
            await self._tables.apply(table, claimed.partition, Merge(claimed.key, _pieces(kept), claimed.etag))
        except (EtagMismatch, Missing):
            pass  # we took longer than ABANDONED, and a retry has taken over
        return response

    def _finished(self, work: "asyncio.Task[Response]") -> None:
        self._working.discard(work)
        if not work.cancelled():
            work.exception()  # looked at, so that nobody's being there for it is no warning

    async def _claim(self, partition: str, row_key: str, request_hash: str) -> tuple[str, Row]:
        """Our new row, or the earlier request's row when it has its answer."""
        now = self._clock.now()
        today, yesterday = table_for(TABLE, now), table_for(TABLE, now - timedelta(days=1))
        values: dict[str, Value] = {"request_hash": request_hash, "started_at": now}
        try:
            etag = await self._tables.apply(today, partition, Insert(row_key, values))
            mine = Row(partition, row_key, values, etag)
        except AlreadyExists:
            mine = None
        earlier = await self._tables.get(yesterday if mine else today, partition, row_key)
        if earlier is None or now - _started(earlier) > KEPT:
            if mine is None:  # released between our insert and our look
                raise InProgress("A request with this Idempotency-Key has just ended.")
            return today, mine
        if mine is not None:
            await self._release(today, mine)
        if earlier.values["request_hash"] != request_hash:
            message = "This Idempotency-Key was used with a different body."
            raise InvalidInput(message, loc=("header", "Idempotency-Key"), code="idempotency_key_reused")
        if earlier.values.get("answer"):
            return today, earlier
        where = yesterday if mine else today
        if now - _started(earlier) > ABANDONED:
            try:
                etag = await self._tables.apply(where, partition, Replace(row_key, values, earlier.etag))
                return where, Row(partition, row_key, values, etag)
            except (EtagMismatch, Missing):
                pass  # another retry took it over first
        raise InProgress("The first request with this Idempotency-Key is still running.")

    async def _release(self, table: str, row: Row) -> None:
        try:
            await self._tables.apply(table, row.partition, Delete(row.key, row.etag))
        except (EtagMismatch, Missing):
            pass  # it is not ours any more


def _started(row: Row) -> datetime:
    started = row.values["started_at"]
    assert isinstance(started, datetime)
    return started


def _keep(response: Response, secret: bytes) -> bytes | None:
    body = getattr(response, "body", None)
    if not isinstance(body, bytes | memoryview) or len(body) > MAX_ANSWER * 7 // 10:  # as base64, and with its headers
        return None
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # 40 ms that only keyed requests pay

    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    answer = json.dumps({"status": response.status_code, "headers": headers, "body": base64.b64encode(body).decode()})
    nonce = secrets.token_bytes(12)
    return nonce + AESGCM(secret).encrypt(nonce, answer.encode(), None)


def _pieces(sealed: bytes) -> dict[str, Value]:
    starts = range(0, len(sealed), _PIECE)
    return {_piece(number): sealed[start : start + _PIECE] for number, start in enumerate(starts)}


def _piece(number: int) -> str:
    return f"answer{number or ''}"


def _sealed(row: Row) -> bytes:
    pieces = itertools.takewhile(lambda piece: piece is not None, (row.values.get(_piece(number)) for number in itertools.count()))
    return b"".join(piece for piece in pieces if isinstance(piece, bytes))


def _replay(row: Row, secret: bytes) -> Response:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    sealed = _sealed(row)
    answer = json.loads(AESGCM(secret).decrypt(sealed[:12], sealed[12:], None))
    return Response(base64.b64decode(answer["body"]), answer["status"], {**answer["headers"], "Idempotent-Replayed": "true"})
