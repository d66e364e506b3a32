"""Storage that is watched: calls are counted as Azure would count them, and the n-th write can be made to go wrong."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Literal

from shared_code.errors import StorageUnavailable
from shared_code.storage.limits import CHUNK
from shared_code.storage.ports import Storage

WRITES = {"apply", "batch", "drop", "put", "stage", "commit", "delete", "send"}
COST = {"commit": 2, "grant_upload": 0}
"""Storage calls that one call of a port makes, by the ports' own words; 1 where it is not listed."""

Fault = Literal["death", "refused", "lost answer"]


class ProcessDied(BaseException):
    """The process ends here: nothing after it runs. No Exception, so that no handler takes it for an error."""


class Watched:
    """A Storage. ``calls`` counts; with ``arm``, the write with this number (from 1) meets the fault.

    ``death``: the write is made, and nothing after it. ``refused``: it is not made, storage is unavailable once.
    ``lost answer``: it is made, and storage seems unavailable once.
    """

    def __init__(self, inner: Storage) -> None:
        self.inner = inner
        self.calls: list[str] = []
        self.writes = 0
        self.dead = False
        self._fault: Fault = "death"
        self._at = 0
        self.blobs: Any = _Port(self, "blobs", inner.blobs)
        self.tables: Any = _Port(self, "tables", inner.tables)
        self.queues: Any = _Port(self, "queues", inner.queues)

    def arm(self, fault: Fault, at: int) -> None:
        self._fault, self._at, self.writes, self.dead = fault, at, 0, False

    @property
    def cost(self) -> int:
        return sum(COST.get(call.partition(".")[2], 1) for call in self.calls)

    async def run(self, name: str, method: Any, *args: Any, **options: Any) -> Any:
        if self.dead:
            raise ProcessDied
        # As every real call does: others run meanwhile.
        await asyncio.sleep(0)
        if self.dead:
            raise ProcessDied
        self.calls.append(name)
        if name.partition(".")[2] not in WRITES:
            return await method(*args, **options)
        self.writes += 1
        mine = self.writes == self._at
        if mine and self._fault == "refused":
            raise StorageUnavailable("storage is down")
        result = await method(*args, **options)
        if mine and self._fault == "lost answer":
            raise StorageUnavailable("the answer was lost")
        if mine:
            self.dead = True
            raise ProcessDied
        return result

    async def check(self) -> None:
        await self.inner.check()

    async def aclose(self) -> None:
        await self.inner.aclose()


class _Port:
    def __init__(self, watched: Watched, kind: str, port: Any) -> None:
        self._watched, self._kind, self._port = watched, kind, port

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if self._kind == "blobs" and name == "list":
            return method
        if self._kind == "blobs" and name == "read":
            return self._read

        async def call(*args: Any, **options: Any) -> Any:
            return await self._watched.run(f"{self._kind}.{name}", method, *args, **options)

        return call

    async def _read(self, *args: Any, **options: Any) -> Any:
        read = await self._watched.run("blobs.read", self._port.read, *args, **options)
        counted = self._counted(read.chunks)
        return type(read)(read.properties, counted)

    async def _counted(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in chunks:
            if size:  # the first piece came with the answer
                self._watched.calls.append("blobs.read")
            size += min(len(chunk), CHUNK)
            yield chunk
