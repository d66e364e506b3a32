"""Tables in memory: the rules of Azure Table storage without its latency. One event loop; nothing survives the process."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from . import keys, limits
from .ports import AlreadyExists, Delete, EtagMismatch, Insert, Merge, Missing, Operation, Replace, Row, Value, Where

_Position = tuple[bytes, bytes]
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {"eq": eq, "ne": ne, "gt": gt, "ge": ge, "lt": lt, "le": le}


@dataclass(slots=True)
class _Table:
    rows: dict[_Position, Row] = field(default_factory=dict)
    order: list[_Position] = field(default_factory=list)


class MemoryTables:
    def __init__(self) -> None:
        self._tables: dict[str, _Table] = {}
        self._versions = count(1)

    async def get(self, table: str, partition: str, key: str) -> Row | None:
        limits.table_name(table)
        position = _position(partition, key)
        found = self._tables.get(table)
        return found.rows.get(position) if found else None

    async def apply(self, table: str, partition: str, operation: Operation) -> str:
        limits.table_name(table)
        return self._run(table, partition, [operation])[0]

    async def batch(self, table: str, partition: str, operations: Sequence[Operation]) -> list[str]:
        limits.table_name(table)
        limits.batch(operations)
        return self._run(table, partition, operations)

    async def query(
        self,
        table: str,
        partition: str | None = None,
        *,
        after: str | None = None,
        before: str | None = None,
        prefix: str = "",
        where: Sequence[Where] = (),
        limit: int = 100,
        after_partition: str | None = None,
    ) -> list[Row]:
        limits.table_name(table)
        limits.page(limit, 1000)
        limits.where(where)
        found = self._tables.get(table)
        if found is None:
            return []
        if partition is not None:
            rows = _of_partition(found, partition, after, prefix)
        elif after_partition is not None:
            rows = _behind(found, after_partition, after)
        else:
            rows = iter(_of_all(found, after))
        stop = None if before is None else keys.sort_key(keys.encode(before))
        page: list[Row] = []
        for row in rows:
            if row.key.startswith(prefix) and (stop is None or _position("", row.key)[1] < stop) and _matches(row, where):
                page.append(row)
                if len(page) == limit:
                    break
        return page

    async def drop(self, table: str) -> None:
        limits.table_name(table)
        self._tables.pop(table, None)

    async def list_tables(self, prefix: str = "") -> list[str]:
        return sorted(name for name in self._tables if name.startswith(prefix))

    def _run(self, name: str, partition: str, operations: Sequence[Operation]) -> list[str]:
        positions = [_position(partition, operation.key) for operation in operations]
        table = self._tables.get(name) or _Table()
        for index, (position, operation) in enumerate(zip(positions, operations, strict=True)):
            if not isinstance(operation, Delete):
                limits.row(partition, operation.key, operation.values)
            if isinstance(operation, Replace | Merge | Delete):
                limits.etag(operation.etag)
            _check(table.rows.get(position), operation, index)
        if not all(isinstance(operation, Delete) for operation in operations):
            self._tables[name] = table
        return [self._write(table, partition, position, op) for position, op in zip(positions, operations, strict=True)]

    def _write(self, table: _Table, partition: str, position: _Position, operation: Operation) -> str:
        present = table.rows.get(position)
        if isinstance(operation, Delete):
            del table.rows[position]
            del table.order[bisect_left(table.order, position)]
            return ""
        values = {name: _kept(value) for name, value in operation.values.items() if value is not None}
        if isinstance(operation, Merge) and present is not None:
            values = {**present.values, **values}
        if present is None:
            insort(table.order, position)
        row = Row(partition, operation.key, values, f'W/"{next(self._versions)}"')
        table.rows[position] = row
        return row.etag


def _check(present: Row | None, operation: Operation, index: int) -> None:
    if isinstance(operation, Insert):
        if present is not None:
            raise AlreadyExists(index)
    elif isinstance(operation, Replace | Merge | Delete):
        if present is None:
            raise Missing(index)
        if operation.etag is not None and operation.etag != present.etag:
            raise EtagMismatch(index)


def _position(partition: str, key: str) -> _Position:
    return keys.sort_key(keys.encode(partition)), keys.sort_key(keys.encode(key))


def _of_partition(table: _Table, partition: str, after: str | None, prefix: str) -> Iterator[Row]:
    start = bisect_left(table.order, _position(partition, prefix))
    if after is not None:
        start = max(start, bisect_right(table.order, _position(partition, after)))
    for position in table.order[start:]:
        row = table.rows[position]
        if row.partition != partition or not row.key.startswith(prefix):
            return
        yield row


def _behind(table: _Table, partition: str, after: str | None) -> Iterator[Row]:
    if after is None:
        start = bisect_right(table.order, keys.sort_key(keys.encode(partition)), key=lambda position: position[0])
    else:
        start = bisect_right(table.order, _position(partition, after))
    return (table.rows[position] for position in table.order[start:])


def _of_all(table: _Table, after: str | None) -> list[Row]:
    least = b"" if after is None else _position("", after)[1]
    return [table.rows[position] for position in table.order if after is None or position[1] > least]


def _kept(value: Value) -> Value:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _matches(row: Row, where: Sequence[Where]) -> bool:
    return all(_holds(row.values.get(condition.column), condition) for condition in where)


def _holds(value: Value, condition: Where) -> bool:
    wanted = condition.value
    if value is None or isinstance(value, bool) != isinstance(wanted, bool) or not isinstance(value, type(wanted)):
        return False
    if isinstance(value, str) and isinstance(wanted, str):
        if condition.op == "prefix":
            return value.startswith(wanted)
        return _OPERATORS[condition.op](keys.sort_key(value), keys.sort_key(wanted))
    return _OPERATORS[condition.op](value, wanted)
