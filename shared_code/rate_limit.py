"""Limits such as five in 900 seconds, counted across instances: exact ones. For what is asked all the time there are ``quick_limit``'s."""

import asyncio
import hashlib
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from shared_code.clock import Clock
from shared_code.coalesce import Coalescer
from shared_code.errors import Busy, RateLimited
from shared_code.storage.ports import AlreadyExists, Delete, EtagMismatch, Insert, Missing, Replace, Row, Tables, Value, Where

TABLE = "limits"
KEY = "limit"
TRIES = 8
EXACT = 100
"""Up to so many events of a window are kept each by itself; of a larger rule, in hundredths of its time."""


@dataclass(frozen=True, slots=True)
class Rule:
    """``count`` events in any ``seconds``. With ``locks``, the one that fills the window closes it for ``seconds`` from then
    on; without, it opens again when its oldest event has left it."""

    count: int
    seconds: int
    locks: bool = False

    @classmethod
    def of(cls, setting: tuple[int, int] | None, *, locks: bool = False) -> "Rule | None":
        return None if setting is None else cls(*setting, locks=locks)


@dataclass(frozen=True, slots=True)
class Window:
    """What has been counted: (moment, number) in order, moments in milliseconds. A moment may be rounded up, never down, so
    that no window ever holds more than its rule allows."""

    events: tuple[tuple[int, int], ...] = ()
    locked_until: int = 0

    @property
    def total(self) -> int:
        return sum(number for _, number in self.events)

    def at(self, rule: Rule, now: datetime) -> "Window":
        """What still counts. A lock that is over has served for all that led to it."""
        if self.locked_until and self.locked_until <= _ms(now):
            return Window()
        since = _ms(now) - rule.seconds * 1000
        return replace(self, events=tuple(event for event in self.events if event[0] > since))

    def add(self, rule: Rule, now: datetime, parts: int = EXACT, number: int = 1) -> "Window":
        """With one event more (or ``number``), in twentieths (``parts``) of the rule's time or as fine as the rule's size allows."""
        current = self.at(rule, now)
        step = 1 if max(rule.count, len(current.events)) <= parts else max(1, rule.seconds * 1000 // parts)
        return current.merged([(math.ceil(_ms(now) / step) * step, number)]).locked(rule, now)

    def merged(self, events: Iterable[tuple[int, int]]) -> "Window":
        sums = dict(self.events)
        for moment, number in events:
            sums[moment] = sums.get(moment, 0) + number
        return replace(self, events=tuple(sorted(sums.items())))

    def locked(self, rule: Rule, now: datetime) -> "Window":
        if not rule.locks or self.locked_until or self.total < rule.count:
            return self
        return replace(self, locked_until=_ms(now) + rule.seconds * 1000)

    def wait(self, rule: Rule, now: datetime) -> int:
        """Whole seconds until the window takes another event; 0 when it does now."""
        current = self.at(rule, now)
        opens = current.locked_until
        surplus = current.total - rule.count
        for moment, number in current.events if surplus >= 0 else ():
            surplus -= number
            if surplus < 0:
                opens = max(opens, moment + rule.seconds * 1000)
                break
        # Never more than the rule says: a rounded moment may lie a little ahead.
        return min(rule.seconds, max(0, math.ceil((opens - _ms(now)) / 1000)))

    def refusal(self, rule: Rule, now: datetime, message: str = "Too many requests.") -> RateLimited | None:
        wait = self.wait(rule, now)
        return RateLimited(message, retry_after=wait, limit=rule.count, remaining=0, reset=wait) if wait else None

    def values(self, rule: Rule) -> dict[str, Value]:
        expires = max([self.locked_until, *(moment + rule.seconds * 1000 for moment, _ in self.events)])
        return {
            "v": 1,
            "events": " ".join(f"{moment}:{number}" for moment, number in self.events),
            "locked_until": self.locked_until,
            "expires_at": datetime.fromtimestamp(expires / 1000, UTC),
        }

    @classmethod
    def of(cls, values: Mapping[str, Value]) -> "Window":
        pairs = (event.split(":") for event in str(values["events"]).split())
        until = values["locked_until"]
        assert isinstance(until, int)
        return cls(tuple((int(moment), int(number)) for moment, number in pairs), until)


@dataclass(frozen=True, slots=True)
class _Ask:
    does: Literal["count", "take"]
    rule: Rule


class RateLimiter:
    """Exact limits: each event is a write. For what happens a few times a minute, not for every request."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock
        self._asks: Coalescer[_Ask, int] = Coalescer(self._commit)

    async def check(self, kind: str, subject: str, rule: Rule | None) -> None:
        """Raises RateLimited when the window is full. One storage call."""
        if rule is None:
            return
        row = await self._tables.get(TABLE, partition_of(kind, subject), KEY)
        if row is not None and (refusal := Window.of(row.values).refusal(rule, self._clock.now())):
            raise refusal

    async def count(self, kind: str, subject: str, rule: Rule | None) -> int:
        """Count one event, also into a full window; return how many are in it. Raises Busy. Two storage calls."""
        return 0 if rule is None else await self._asks.submit(partition_of(kind, subject), _Ask("count", rule))

    async def take(self, kind: str, subject: str, rule: Rule | None) -> None:
        """Count one event if the window has room, else raise RateLimited: exact, whoever else counts. Raises Busy."""
        if rule is not None:
            await self._asks.submit(partition_of(kind, subject), _Ask("take", rule))

    async def clear(self, kind: str, subject: str) -> None:
        await _remove(self._tables, partition_of(kind, subject))

    async def _commit(self, partition: str, asks: Sequence[_Ask]) -> Sequence[int | BaseException]:
        for attempt in range(TRIES):
            row = await self._tables.get(TABLE, partition, KEY)
            window, now = Window.of(row.values) if row else Window(), self._clock.now()
            results: list[int | BaseException] = []
            changed = False
            for ask in asks:
                refusal = window.refusal(ask.rule, now) if ask.does == "take" else None
                if refusal is None:
                    window, changed = window.add(ask.rule, now), True
                results.append(refusal or window.total)
            if not changed or await put(self._tables, partition, row, window.values(asks[-1].rule)):
                return results
            await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))
        raise Busy("This limit is being counted by too many at once.")


async def purge(tables: Tables, now: datetime) -> int:
    """Remove what counts no more; return how many rows. Safe to run twice."""
    removed = 0
    partition = None
    while rows := await tables.query(TABLE, after_partition=partition, where=[Where("expires_at", "le", now)], limit=500):
        partition = rows[-1].partition
        for row in rows:
            removed += await _remove(tables, row.partition, row.etag)
    return removed


def partition_of(kind: str, subject: str) -> str:
    # A subject may be an address, which nobody should find here, or longer than a key may be.
    return hashlib.sha256(f"{kind}\0{subject}".encode("utf-8", "surrogatepass")).hexdigest()


async def put(tables: Tables, partition: str, row: Row | None, values: Mapping[str, Value]) -> bool:
    """False when someone else has written meanwhile."""
    try:
        await tables.apply(TABLE, partition, Replace(KEY, values, row.etag) if row else Insert(KEY, values))
    except (AlreadyExists, EtagMismatch, Missing):
        return False
    return True


async def _remove(tables: Tables, partition: str, etag: str | None = None) -> bool:
    try:
        await tables.apply(TABLE, partition, Delete(KEY, etag))
    except (EtagMismatch, Missing):
        return False  # counted again, or removed by another
    return True


def _ms(moment: datetime) -> int:
    return math.floor(moment.timestamp() * 1000)
