"""The mirror: what Stripe holds, in our tables, so that reading it asks Stripe nothing.

One rule keeps it true without comparing clocks: a row is written only with the ETag that it had *before* Stripe was asked.
Whoever was overtaken meanwhile asks again, so that what was fetched earlier never replaces what was fetched later.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from shared_code.clock import Clock
from shared_code.coalesce import Coalescer
from shared_code.errors import Busy
from shared_code.locks import KeyedLocks
from shared_code.storage.feeds import Changes
from shared_code.storage.ports import AlreadyExists, Delete, EtagMismatch, Insert, Missing, Operation, Replace, Tables, Upsert, Value, Where

from . import reservations
from .event_targets import Kind
from .objects import (
    INDEX,
    INDEX_KEY,
    MIRROR,
    PREFIXES,
    TOTALS_KEY,
    Record,
    counted,
    differences,
    inverted,
    key_of,
    partition_of,
    reference,
    to_record,
    values_of,
)
from .ports import Answer, Gateway, Object
from .totals import Totals

TRIES = 12


class Stale(Exception):
    """The row changed after it was read: what was fetched then may be out of date."""


class Mirror:
    def __init__(
        self,
        tables: Tables,
        gateway: Gateway,
        clock: Clock,
        *,
        forget: Callable[[str], Awaitable[None]] | None = None,
        changes: Changes | None = None,
    ) -> None:
        """``forget`` is told the id of a customer that was deleted at Stripe; ``changes`` which partition's totals have changed."""
        self._tables, self._gateway, self._clock, self._forget, self._changes = tables, gateway, clock, forget, changes
        self._locks = KeyedLocks()
        # Those who ask for one object while it is being fetched share the next fetch.
        self._fetches: Coalescer[frozenset[str], tuple[Object, Record] | None] = Coalescer(self._fetch)

    async def find(self, kind: Kind, object_id: str) -> Record | None:
        """The mirrored object, wherever it belongs; None when the mirror has none. Two storage calls."""
        index = await self._tables.get(INDEX, object_id, INDEX_KEY)
        if index is None:
            return None
        row = await self._tables.get(MIRROR, str(index.values["partition"]), str(index.values["key"]))
        return to_record(kind, row) if row else None

    async def page(
        self,
        kind: Kind,
        customer_id: str,
        *,
        after: str | None = None,
        limit: int,
        since: int | None = None,
        until: int | None = None,
        where: Sequence[Where] = (),
    ) -> list[Record]:
        """Up to ``limit`` objects of a customer, newest first, behind the row key ``after``; created at or after ``since``
        and before ``until`` (whole seconds). One storage call, however many there are."""
        prefix = f"{PREFIXES[kind]}:"
        # ";" follows ":", so that these two stand behind every key of their second.
        first = f"{prefix}{inverted(until)};" if until is not None else None
        last = f"{prefix}{inverted(since)};" if since is not None else None
        behind = max((key for key in (after, first) if key is not None), default=None)
        rows = await self._tables.query(MIRROR, customer_id, prefix=prefix, after=behind, before=last, where=where, limit=limit)
        return [to_record(kind, row) for row in rows]

    async def totals(self, customer_id: str | None) -> Totals:
        return Totals.of(await self._tables.get(MIRROR, partition_of(customer_id), TOTALS_KEY))

    async def sync(self, kind: Kind, object_id: str) -> Mapping[str, Any] | None:
        """Fetch the object and mirror it; what Stripe holds, or None when Stripe knows it no more (the mirror then keeps what it has)."""
        found = await self._fetches.submit(f"{kind} {object_id}", frozenset())
        return found[0] if found else None

    async def refresh(self, kind: Kind, object_id: str, *, settled: str | None = None) -> Record | None:
        """As ``sync``, for who needs the mirrored object. The reservation ``settled`` ends with the same write."""
        found = await self._fetches.submit(f"{kind} {object_id}", frozenset({settled} if settled else ()))
        return found[1] if found else None

    async def take(self, kind: Kind, answer: Answer, known: Record | None) -> Record:
        """Mirror Stripe's answer to a change; ``known`` is the row as it was before the change was asked for.

        An answer that was given before, or that others have overtaken, is not believed: the object is fetched.
        """
        if not answer.replayed:
            try:
                return await self._write(kind, answer.object, known)
            except Stale:
                pass
        object_id = str(answer.object["id"])
        fresh = await self.refresh(kind, object_id)
        if fresh is None:
            raise Busy("Stripe has just removed this object.")
        return fresh

    async def differences(self, kind: Kind, fetched: Object) -> Sequence[str]:
        """The mirrored fields that differ from what Stripe holds; ``missing`` when the mirror has no such object."""
        record = await self.find(kind, str(fetched["id"]))
        return ["missing"] if record is None else differences(record, values_of(kind, fetched))

    async def amend(self, record: Record, changes: Mapping[str, Value]) -> Record:
        """Change what Stripe knows nothing of; raises Stale when the row has changed since it was read."""
        values = {name: value for name, value in {**record.values, **changes}.items() if value is not None}
        try:
            etag = await self._tables.apply(MIRROR, partition_of(record.customer_id), Replace(record.key, values, record.etag))
        except (EtagMismatch, Missing):
            raise Stale from None
        return Record(record.kind, record.id, record.customer_id, values, record.key, etag)

    async def _fetch(self, key: str, settled: Sequence[frozenset[str]]) -> Sequence[tuple[Object, Record] | None]:
        kind: Any
        kind, _, object_id = key.partition(" ")
        ended = frozenset().union(*settled)
        for attempt in range(TRIES):
            known = await self.find(kind, object_id)
            fetched = await self._gateway.retrieve(kind, object_id)
            if fetched is None:
                return [None] * len(settled)
            try:
                record = await self._write(kind, fetched, known, fetched_now=True, settled=ended)
            except Stale:
                await _jitter(attempt)
                continue
            return [(fetched, record)] * len(settled)
        raise Busy("This object is being changed by too many at once.")

    async def _write(
        self, kind: Kind, fetched: Object, known: Record | None, *, fetched_now: bool = False, settled: frozenset[str] = frozenset()
    ) -> Record:
        """Write the object's row if it still is ``known`` (None: absent); raises Stale."""
        customer_id = await self._owner(kind, fetched)
        partition, key, now = partition_of(customer_id), key_of(kind, fetched), self._clock.now()
        values = {**values_of(kind, fetched), "v": 1, "seen_at": now}
        if kind == "customer" and "created_at" not in values:  # a deleted one is an id and no more
            values["created_at"] = known.created_at if known else now
        if known is not None and (kept := reservations.kept(known, now, fetched_now=fetched_now, settled=settled)) is not None:
            values["reserved"] = kept
        if known is not None and (partition_of(known.customer_id), known.key) != (partition, key):
            # A payment got its customer. Gone first, so that it is never twice; a cut here heals with the next fetch.
            await self._change(partition_of(known.customer_id), Delete(known.key, known.etag), counted(kind, known.values), None)
            known = None
        if known is None:
            await self._tables.apply(INDEX, str(fetched["id"]), Upsert(INDEX_KEY, {"partition": partition, "key": key}))
        operation = Insert(key, values) if known is None else Replace(key, values, known.etag)
        before = counted(kind, known.values) if known else None
        etag = await self._change(partition, operation, before, counted(kind, values))
        if kind == "customer" and values["status"] == "deleted" and self._forget is not None:
            await self._forget(str(fetched["id"]))
        return Record(kind, str(fetched["id"]), customer_id, values, key, etag)

    async def _change(
        self,
        partition: str,
        operation: Insert | Replace | Delete,
        gone: tuple[str, str, str, int] | None,
        come: tuple[str, str, str, int] | None,
    ) -> str:
        """Carry out the operation and count it, in one batch; raises Stale when the row is not as it was."""
        if gone == come:
            try:
                return await self._tables.apply(MIRROR, partition, operation)
            except (AlreadyExists, EtagMismatch, Missing):
                raise Stale from None
        async with self._locks.of(partition):
            for attempt in range(TRIES):
                totals = Totals.of(await self._tables.get(MIRROR, partition, TOTALS_KEY))
                operations: list[Operation] = [operation, totals.change(gone, come)]
                try:
                    etag = (await self._tables.batch(MIRROR, partition, operations))[0]
                except (AlreadyExists, EtagMismatch, Missing) as error:
                    if error.index == 0:
                        raise Stale from None
                    await _jitter(attempt)  # another process counted at the same time
                    continue
                except BaseException:
                    self._note(partition)  # it may have been written or not
                    raise
                self._note(partition)
                return etag
        raise Busy("This customer's records are being changed by too many at once.")

    def _note(self, partition: str) -> None:
        if self._changes is not None:
            self._changes.note(partition)

    async def _owner(self, kind: Kind, fetched: Object) -> str | None:
        """The customer to whom an object belongs; a refund names only its payment."""
        if kind == "customer":
            return str(fetched["id"])
        if kind != "refund":
            return reference(fetched.get("customer"))
        payment_id = reference(fetched.get("payment_intent"))
        if payment_id is None:
            return None
        payment = await self.find("payment_intent", payment_id) or await self.refresh("payment_intent", payment_id)
        return payment.customer_id if payment else None


def seen_within(record: Record, now: datetime, seconds: float) -> bool:
    """Whether the object was written from Stripe that shortly ago."""
    seen_at = record.moment("seen_at")
    return seen_at is not None and now - seen_at < timedelta(seconds=seconds)


async def _jitter(attempt: int) -> None:
    await asyncio.sleep(random.uniform(0, 0.01 * 2 ** min(attempt, 5)))
