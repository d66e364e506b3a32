"""An owner's totals and quota, exact under concurrent uploads.

The totals' row stands in the owner's partition beside the files, so that a file and what it counts change in one batch,
or not at all. Requests of one process are written together (``Coalescer``); other processes are seen by ETag.
"""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from shared_code.coalesce import Coalescer
from shared_code.errors import Busy, TooLarge
from shared_code.storage.feeds import Changes
from shared_code.storage.ports import AlreadyExists, EtagMismatch, Insert, Missing, Operation, Replace, Tables

from .models import Usage
from .names import human_size
from .ports import QuotaOf
from .tables import FILES, USAGE_KEY, to_usage, usage_values

TRIES = 12
REMEMBERED = 5_000


@dataclass(frozen=True, slots=True)
class Change:
    """What one request does to its owner's totals, and the rows that change with them."""

    operations: Sequence[Operation] = ()
    active_files: int = 0
    deleted_files: int = 0
    bytes: int = 0
    reserved_bytes: int = 0
    content_type: str = ""
    files_of_type: int = 0
    within_quota: bool = field(default=False)
    """Refuse the change when the totals would then exceed the quota."""


class UsageLedger:
    def __init__(self, tables: Tables, quota: int, quota_of: QuotaOf | None = None, changes: Changes | None = None) -> None:
        """``quota`` is in bytes, for each owner of whom ``quota_of`` knows no other. ``changes`` is told whose totals have changed."""
        self._tables, self._quota, self._quota_of, self._changes = tables, quota, quota_of, changes
        # The row as last written by us: saves the read when nobody else has changed it.
        self._known: OrderedDict[str, tuple[Usage, str | None]] = OrderedDict()
        self._writers: Coalescer[Change, list[str]] = Coalescer(self._commit, group=24)

    async def apply(self, owner_id: str, change: Change) -> list[str]:
        """Carry out the change; return the new ETags of its operations.

        Raises TooLarge ``quota_exceeded``, whatever the operations raise (EtagMismatch, Missing, AlreadyExists), or Busy.
        """
        return await self._writers.submit(owner_id, change)

    async def usage(self, owner_id: str) -> Usage:
        return (await self._read(owner_id))[0]

    @staticmethod
    def _total(usage: Usage) -> int:
        return usage.bytes + usage.reserved_bytes

    async def _commit(self, owner_id: str, changes: Sequence[Change]) -> Sequence[list[str] | BaseException]:
        return await self._one_by_one(owner_id, _without_common_keys(changes))

    async def _one_by_one(self, owner_id: str, groups: Iterable[Sequence[Change]]) -> list[list[str] | BaseException]:
        """Each group in a batch of its own: what one meets says nothing about those that are written already."""
        results: list[list[str] | BaseException] = []
        for group in groups:
            try:
                results += await self._write(owner_id, group)
            except Exception as error:
                results += [error] * len(group)
        return results

    async def _limit(self, owner_id: str, changes: Sequence[Change]) -> int:
        """The owner's quota, looked up only where it matters."""
        if self._quota_of is None or not any(change.within_quota for change in changes):
            return self._quota
        own = await self._quota_of.quota_of(owner_id)
        return self._quota if own is None else own

    async def _write(self, owner_id: str, changes: Sequence[Change]) -> Sequence[list[str] | BaseException]:
        quota = await self._limit(owner_id, changes)
        for attempt in range(TRIES):
            usage, etag = self._known.get(owner_id) or await self._read(owner_id)
            before = usage
            results: list[list[str] | BaseException] = []
            operations: list[Operation] = []
            for change in changes:
                after = _changed(usage, change)
                if change.within_quota and self._total(after) > quota:
                    left = max(0, quota - self._total(usage))
                    results.append(TooLarge(f"This does not fit: {human_size(left)} of your quota are left.", code="quota_exceeded"))
                    if attempt == 0 and etag is not None:
                        self._known.pop(owner_id, None)  # we may know too much: another process may have freed some
                    continue
                usage = after
                operations += change.operations
                results.append([])
            if any(isinstance(result, BaseException) for result in results) and attempt == 0 and etag is not None:
                continue  # judge a refusal by what is stored, not by what we remember
            if not operations and usage == before:
                return results
            values = usage_values(usage)
            first: Operation = Insert(USAGE_KEY, values) if etag is None else Replace(USAGE_KEY, values, etag)
            try:
                etags = await self._tables.batch(FILES, owner_id, [first, *operations])
            except (EtagMismatch, AlreadyExists, Missing) as error:
                self._known.pop(owner_id, None)
                if error.index == 0:
                    await asyncio.sleep(random.uniform(0, 0.005 * 2 ** min(attempt, 5)))  # another process: give way
                    continue
                if len(changes) == 1:
                    return [error]
                # One row of one request stands in the way: let each request find out for itself.
                return await self._one_by_one(owner_id, [[change] for change in changes])
            except BaseException:
                self._known.pop(owner_id, None)  # it may have been written or not
                self._note(owner_id)
                raise
            self._note(owner_id)
            self._remember(owner_id, usage, etags[0])
            position = 1
            for index, (change, result) in enumerate(zip(changes, results, strict=True)):
                if not isinstance(result, BaseException):
                    results[index] = etags[position : position + len(change.operations)]
                    position += len(change.operations)
            return results
        raise Busy("Too many uploads of this account are being written at once.")

    async def _read(self, owner_id: str) -> tuple[Usage, str | None]:
        row = await self._tables.get(FILES, owner_id, USAGE_KEY)
        return (to_usage(row), row.etag) if row else (Usage(), None)

    def _note(self, owner_id: str) -> None:
        if self._changes is not None:
            self._changes.note(owner_id)

    def _remember(self, owner_id: str, usage: Usage, etag: str) -> None:
        self._known[owner_id] = (usage, etag)
        self._known.move_to_end(owner_id)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


def _without_common_keys(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    """The changes in their order, split where one touches a row that an earlier one touches: a batch takes a row once."""
    group: list[Change] = []
    taken: set[str] = set()
    for change in changes:
        keys = {operation.key for operation in change.operations}
        if keys & taken:
            yield group
            group, taken = [], set()
        group.append(change)
        taken |= keys
    yield group


def _changed(usage: Usage, change: Change) -> Usage:
    by_type = dict(usage.by_type)
    if change.files_of_type:
        by_type[change.content_type] = by_type.get(change.content_type, 0) + change.files_of_type
        if by_type[change.content_type] <= 0:
            del by_type[change.content_type]
    return replace(
        usage,
        active_files=usage.active_files + change.active_files,
        deleted_files=usage.deleted_files + change.deleted_files,
        bytes=usage.bytes + change.bytes,
        reserved_bytes=usage.reserved_bytes + change.reserved_bytes,
        by_type=by_type,
    )
