"""A trail on storage in memory, its parts, and what a test does to it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared_code.audit import tables as rows
from shared_code.audit.recorder import Recorder
from shared_code.audit.retention import Retention
from shared_code.audit.sealer import Sealer
from shared_code.audit.signatures import JwsSigner
from shared_code.audit.trail import Trail
from shared_code.audit.verify import Report, Verifier
from shared_code.auth import keys
from shared_code.auth.keys import SigningKey
from shared_code.clock import ManualClock
from shared_code.storage.memory_tables import MemoryTables
from shared_code.storage.ports import Row, Tables

START = datetime(2026, 1, 10, 12, tzinfo=UTC)
DAY = "20260110"
DAY_SECONDS = 86_400


def always(found: Sequence[SigningKey]) -> Callable[[], Awaitable[Sequence[SigningKey]]]:
    async def give() -> Sequence[SigningKey]:
        return found

    return give


OLD, NEW = (keys.shared_secret(letter * 40) for letter in "on")


@dataclass
class World:
    tables: Tables
    clock: ManualClock
    recorder: Recorder
    sealer: Sealer
    trail: Trail
    retention: Retention

    async def record(self, count: int = 1, *, user_id: str | None = "ada", kind: str = "sign_in", apart: float = 1) -> None:
        for number in range(count):
            await self.recorder.record(kind, user_id=user_id, number=number)
            self.clock.advance(apart)

    async def verify(self, day: str | None = None, signer: JwsSigner | None = None) -> Report:
        return await Verifier(self.tables, self.clock, signer or signer_of()).verify(day)

    async def outcome(self) -> str:
        return (await self.verify()).outcome

    async def log(self, day: str = DAY) -> list[Row]:
        """The day's events, oldest first."""
        found = await self.tables.query(rows.table_of(day), rows.LOG, prefix=rows.EVENT, limit=1000)
        return found[::-1]


def signer_of(*known: SigningKey) -> JwsSigner:
    return JwsSigner(always(known or [OLD]), always(known or [OLD]))


def world(tables: Tables | None = None, clock: ManualClock | None = None, *known: SigningKey, keep_days: int = 365) -> World:
    clock, tables = clock or ManualClock(START), tables or MemoryTables()
    signer = signer_of(*known)
    return World(
        tables,
        clock,
        Recorder(tables, clock),
        Sealer(tables, clock, signer),
        Trail(tables, clock),
        Retention(tables, clock, signer, keep_days=keep_days),
    )


class Died(BaseException):
    """The process ends."""


class Meddling:
    """Tables that let others run before each call, count writes, and let the process die at one of them."""

    def __init__(self, tables: MemoryTables, die_at: int = 0, when: str = "after") -> None:
        self.tables, self.die_at, self.when, self.writes = tables, die_at, when, 0
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.tables, name)

        async def call(*args: Any, **options: Any) -> Any:
            await asyncio.sleep(0)
            self.calls.append(name)
            writes = name in ("apply", "batch", "drop")
            self.writes += writes
            if writes and self.writes == self.die_at and self.when == "before":
                raise Died
            result = await method(*args, **options)
            if writes and self.writes == self.die_at:
                raise Died
            return result

        return call
