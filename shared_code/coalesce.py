"""Group commit: the writers of one row wait for each other inside the process, and then write together.

N processes that replace one row by ETag need N rounds; without this, so would N requests of one process.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Coalescer(Generic[T, R]):
    """``commit(key, items)`` is called for one group of a key at a time and returns, for each item in order, its result or
    its exception. Items that arrive meanwhile form the next group, of at most ``group`` items."""

    def __init__(self, commit: Callable[[str, Sequence[T]], Awaitable[Sequence[R | BaseException]]], *, group: int = 40) -> None:
        self._commit, self._group = commit, group
        self._waiting: dict[str, list[tuple[T, asyncio.Future[R]]]] = {}
        self._runners: set[asyncio.Task[None]] = set()

    async def submit(self, key: str, item: T) -> R:
        """The item's result. A caller that is cancelled does not take its item back: the write may be under way."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        if key in self._waiting:
            self._waiting[key].append((item, future))
        else:
            self._waiting[key] = [(item, future)]
            runner = asyncio.ensure_future(self._run(key))
            self._runners.add(runner)  # the loop itself keeps only a weak reference
            runner.add_done_callback(self._runners.discard)
        return await future

    async def _run(self, key: str) -> None:
        while waiting := self._waiting[key]:
            group, self._waiting[key] = waiting[: self._group], waiting[self._group :]
            results: Sequence[R | BaseException]
            try:
                results = await self._commit(key, [item for item, _ in group])
                if len(results) != len(group):
                    raise RuntimeError(f"{len(results)} results for {len(group)} items")
            except BaseException as error:  # each waiter raises it; nobody waits for this task itself
                results = [error] * len(group)
            for (_, future), result in zip(group, results, strict=True):
                if future.done():
                    continue  # its caller has gone
                if isinstance(result, BaseException):
                    future.set_exception(result)
                else:
                    future.set_result(result)
        del self._waiting[key]
