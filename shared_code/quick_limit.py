"""Limits of what is asked all the time: counted across instances, without a storage call for each request."""

import asyncio
import random
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from shared_code.clock import Clock
from shared_code.errors import StorageUnavailable
from shared_code.rate_limit import KEY, TABLE, TRIES, Rule, Window, partition_of, put
from shared_code.storage.ports import Tables

log = structlog.get_logger("lydian")

SHARES = 20
"""A quick limit is exchanged after a twentieth of its count, and its times are kept in twentieths of its seconds."""
EXCHANGED_EVERY = timedelta(seconds=1)
REMEMBERED = 10_000
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_NOTHING = Window()


@dataclass(slots=True)
class _Known:
    """What this process knows of one quick limit: what all had counted when it last looked, and what it counted since."""

    shared: Window = _NOTHING
    pending: Window = _NOTHING
    sending: Window = _NOTHING
    exchange: "asyncio.Task[None] | None" = None
    next_at: datetime = _LONG_AGO
    fails_until: datetime = _LONG_AGO

    @property
    def everything(self) -> Window:
        return self.shared.merged(self.sending.events).merged(self.pending.events)


class QuickLimiter:
    """Limits that cost no storage call per request: each process counts by itself and exchanges its counts with the shared
    row, at most once a second and after every twentieth of the rule's count.

    One process alone keeps the limit exactly. Each further one may let a twentieth through that the others do not know of
    yet, and as much again while that is being written: of N processes, each lets at most count/10 (or 2) too many through.
    Where storage does not answer, each process keeps the limit for itself.
    """

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def take(self, kind: str, subject: str, rule: Rule | None) -> None:
        """Count one request; raises RateLimited when the window is full."""
        if rule is None:
            return
        partition = partition_of(kind, subject)
        known = self._of(partition)
        while True:
            now = self._clock.now()
            known.shared, known.pending = known.shared.at(rule, now), known.pending.at(rule, now)
            if refusal := known.everything.refusal(rule, now):
                raise refusal
            if not self._has_much(known, rule, now):
                break
            await asyncio.shield(self._start(partition, known, rule))
        self._add(partition, known, rule, now, 1)

    def check(self, kind: str, subject: str, rule: Rule, under_way: int = 0) -> None:
        """Raises RateLimited when the window is full, with what is ``under_way`` and not counted yet. Counts nothing."""
        now = self._clock.now()
        window = self._of(partition_of(kind, subject)).everything.at(rule, now)
        if refusal := (window.add(rule, now, SHARES, under_way) if under_way else window).refusal(rule, now):
            raise refusal

    def count(self, kind: str, subject: str, rule: Rule, number: int) -> None:
        """Count what has happened, also into a full window: as many as it was (tokens of an answer, say)."""
        partition, now = partition_of(kind, subject), self._clock.now()
        known = self._of(partition)
        known.shared, known.pending = known.shared.at(rule, now), known.pending.at(rule, now)
        self._add(partition, known, rule, now, number)

    def _of(self, partition: str) -> _Known:
        known = self._known.setdefault(partition, _Known())
        self._known.move_to_end(partition)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return known

    def _add(self, partition: str, known: _Known, rule: Rule, now: datetime, number: int) -> None:
        known.pending = known.pending.add(rule, now, SHARES, number)
        if known.exchange is None and (now >= known.next_at or self._has_much(known, rule, now)):
            self._start(partition, known, rule)

    async def settle(self) -> None:
        """Wait for the exchanges that are under way."""
        await asyncio.gather(*[known.exchange for known in self._known.values() if known.exchange is not None])

    @staticmethod
    def _has_much(known: _Known, rule: Rule, now: datetime) -> bool:
        """Whether a twentieth waits to be told, and there is somebody to tell."""
        return known.pending.total * SHARES >= rule.count and now >= known.fails_until

    def _start(self, partition: str, known: _Known, rule: Rule) -> "asyncio.Task[None]":
        if known.exchange is None:
            known.exchange = asyncio.ensure_future(self._exchange(partition, known, rule))
        return known.exchange

    async def _exchange(self, partition: str, known: _Known, rule: Rule) -> None:
        known.sending, known.pending = known.pending, Window()
        known.next_at = self._clock.now() + EXCHANGED_EVERY
        try:
            for attempt in range(TRIES):
                row = await self._tables.get(TABLE, partition, KEY)
                shared = (Window.of(row.values) if row else Window()).at(rule, self._clock.now()).merged(known.sending.events)
                if await put(self._tables, partition, row, shared.values(rule)):
                    known.shared, known.sending = shared, Window()
                    return
                await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))
            known.fails_until = known.next_at
        except StorageUnavailable:
            known.fails_until = known.next_at
            log.warning("limit_not_shared", effect="this process keeps it for itself")
        finally:
            known.pending, known.sending = known.pending.merged(known.sending.events), Window()
            known.exchange = None
