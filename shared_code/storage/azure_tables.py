"""Tables on Azure Table storage (or Azurite): rows by requests of our own, tables themselves by the SDK."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from json import loads
from typing import TypeVar
from urllib.parse import quote

from ..errors import StorageUnavailable
from . import azure_table_codec as codec
from . import limits
from .azure_clients import GetClients
from .azure_faults import BEING_DELETED, NOT_CREATED, fault
from .azure_filters import row_filter
from .azure_requests import Answer
from .ports import Delete, Operation, Row, Where

T = TypeVar("T")
_WRITTEN = (201, 204)
"""A service is free not to prefer what we prefer, and to answer an insert with the row."""


class AzureTables:
    def __init__(self, clients: GetClients) -> None:
        self._clients = clients

    async def get(self, table: str, partition: str, key: str) -> Row | None:
        limits.table_name(table)
        answer = await self._clients().table_requests.send("GET", codec.entity_path(table, partition, key))
        if answer.status == 404:
            return None
        body = _succeeded(answer, 200).body
        return _understood(lambda: codec.row(loads(body)))

    async def apply(self, table: str, partition: str, operation: Operation) -> str:
        limits.table_name(table)
        write = codec.write(table, partition, operation)
        answer = _succeeded(await self._creating(table, lambda: self._write(write)), *_WRITTEN)
        return "" if isinstance(operation, Delete) else _etag(answer.headers.get("etag", ""))

    async def batch(self, table: str, partition: str, operations: Sequence[Operation]) -> list[str]:
        limits.table_name(table)
        limits.batch(operations)
        if len(operations) == 1:
            return [await self.apply(table, partition, operations[0])]
        writes = [codec.write(table, partition, operation) for operation in operations]
        content_type, body = codec.batch(writes, self._clients().table_requests.url)
        repeatable = all(write.repeatable for write in writes)
        answer = _succeeded(await self._creating(table, lambda: self._batch(content_type, body, repeatable)), 202, operations=operations)
        if len(answer.parts) != len(operations):
            raise _strange("not one answer an operation")
        return [
            "" if isinstance(op, Delete) else _etag(part.headers.get("etag", "")) for op, part in zip(operations, answer.parts, strict=True)
        ]

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
        text = row_filter(partition, after, before, prefix, where, after_partition)
        query = f"$top={limit}&$filter={quote(text, safe='')}" if text else f"$top={limit}"
        # Whether "not equal" also finds rows without the property is left open by the service's documentation.
        needed = [condition.column for condition in where if condition.op == "ne"]
        rows: list[Row] = []
        more = ""
        while True:
            answer = await self._clients().table_requests.send("GET", f"/{table}()", query + more)
            if answer.status == 404:
                return []
            rows += _understood(partial(_rows, _succeeded(answer, 200).body, needed))
            more = _continuation(answer.headers)
            if len(rows) >= limit or not more:
                return rows[:limit]

    async def drop(self, table: str) -> None:
        from .azure_table_admin import drop_table

        limits.table_name(table)
        await drop_table(self._clients().table_service, table)

    async def list_tables(self, prefix: str = "") -> list[str]:
        from .azure_table_admin import table_names

        return await table_names(self._clients().table_service, prefix)

    async def check(self) -> None:
        """One table's name is asked for, by the way that rows go."""
        _succeeded(await self._clients().table_requests.send("GET", "/Tables", "$top=1"), 200)

    async def _creating(self, table: str, attempt: Callable[[], Awaitable[Answer]]) -> Answer:
        """A write; when its table is not there, that is made and the write repeated. Raises the port's exceptions."""
        answer = await attempt()
        if answer.status >= 400 and _code(answer) in NOT_CREATED | BEING_DELETED:
            from .azure_table_admin import create_table

            await create_table(self._clients().table_service, table)
            answer = await attempt()
        return answer

    async def _write(self, write: codec.Write) -> Answer:
        headers = {"If-Match": write.if_match} if write.if_match else {}
        if write.body:
            headers["Content-Type"] = codec.JSON
        if write.method == "POST":
            headers["Prefer"] = "return-no-content"
        requests = self._clients().table_requests
        return await requests.send(write.method, write.path, body=write.body, headers=headers, repeatable=write.repeatable)

    async def _batch(self, content_type: str, body: bytes, repeatable: bool) -> Answer:
        requests = self._clients().table_requests
        headers = {"Content-Type": content_type}
        return await requests.send("POST", "/$batch", body=body, headers=headers, repeatable=repeatable, unwrap=_failed_part)


def _failed_part(answer: Answer) -> Answer:
    """A batch is answered 202 even when it failed: then by one part, whose status counts."""
    if answer.status != 202:
        return answer
    parts = _understood(lambda: codec.batch_parts(answer.body))
    failed = next((part for part in parts if part.status >= 300), None)
    return answer._replace(parts=parts) if failed is None else Answer(failed.status, failed.headers, failed.body)


def _succeeded(answer: Answer, *awaited: int, operations: Sequence[Operation] = ()) -> Answer:
    """The answer when its status is awaited, else the port's exception."""
    if answer.status not in awaited:
        index = codec.failed_index(operations, answer.status, answer.body, answer.headers.get("content-id", "")) if operations else 0
        raise fault("table", answer.status, _code(answer), index)
    return answer


def _code(answer: Answer) -> str:
    # Azurite says some codes in the header only, the service nearly all of them in the body only.
    return codec.error(answer.body)[0] or answer.headers.get("x-ms-error-code", "")


def _rows(body: bytes, needed: Sequence[str]) -> list[Row]:
    rows = [codec.row(entity) for entity in loads(body)["value"]]
    return [row for row in rows if all(name in row.values for name in needed)] if needed else rows


def _continuation(headers: Mapping[str, str]) -> str:
    names = ("NextPartitionKey", "NextRowKey")
    found = [(name, headers.get(f"x-ms-continuation-{name}")) for name in names]
    return "".join([f"&{name}={quote(value, safe='', errors='surrogateescape')}" for name, value in found if value])


def _etag(value: str) -> str:
    if not value:
        raise _strange("no ETag")
    return value


def _understood(read: Callable[[], T]) -> T:
    try:
        return read()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _strange(type(error).__name__) from None  # the error's text would hold a row's content


def _strange(reason: str) -> StorageUnavailable:
    error = StorageUnavailable("The table storage answers in a way that is not a table storage's.")
    error.add_note(reason)
    return error
