"""Tables on Azure Table storage (or Azurite)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, assert_never

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError
from azure.data.tables import EdmType, EntityProperty, TransactionOperation, UpdateMode
from azure.data.tables.aio import TableClient

from . import keys, limits
from .azure_clients import GetClients
from .azure_errors import Translating, creating, translate
from .azure_filters import row_filter, table_filter
from .ports import Delete, Insert, Merge, Missing, Operation, Replace, Row, Upsert, Value, Where

_Entity = dict[str, Any]
_Step = tuple[TransactionOperation, _Entity, dict[str, Any]]
_guard = Translating("table")


class AzureTables:
    def __init__(self, clients: GetClients) -> None:
        self._clients = clients

    async def get(self, table: str, partition: str, key: str) -> Row | None:
        limits.table_name(table)
        client = self._clients().table(table)
        try:
            return _row(await client.get_entity(keys.encode(partition), keys.encode(key)))
        except HttpResponseError as error:
            if error.status_code == 404:
                return None
            raise translate(error, "table") from error
        except AzureError as error:
            raise translate(error, "table") from error

    async def apply(self, table: str, partition: str, operation: Operation) -> str:
        limits.table_name(table)
        client, entity = self._clients().table(table), _entity(partition, operation)
        with _guard:
            return await creating(lambda: _apply(client, operation, entity), client.create_table)

    async def batch(self, table: str, partition: str, operations: Sequence[Operation]) -> list[str]:
        limits.table_name(table)
        limits.batch(operations)
        client = self._clients().table(table)
        steps = [_step(operation, _entity(partition, operation)) for operation in operations]
        with _guard:
            answers = await creating(lambda: client.submit_transaction(steps), client.create_table)
        return ["" if isinstance(op, Delete) else answer["etag"] for op, answer in zip(operations, answers, strict=True)]

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
        # Whether "not equal" also finds rows without the property is left open by the service's documentation.
        needed = [condition.column for condition in where if condition.op == "ne"]
        return await self._collect(self._clients().table(table), text, needed, limit)

    async def _collect(self, client: TableClient, text: str, needed: Sequence[str], limit: int) -> list[Row]:
        rows: list[Row] = []
        try:
            async for page in client.query_entities(text, results_per_page=limit).by_page():
                async for entity in page:
                    if all(name in entity for name in needed):
                        rows.append(_row(entity))
                if len(rows) >= limit:
                    break
        except HttpResponseError as error:
            if error.status_code == 404:
                return []
            raise translate(error, "table") from error
        except AzureError as error:
            raise translate(error, "table") from error
        return rows[:limit]

    async def drop(self, table: str) -> None:
        limits.table_name(table)
        with _guard:
            await self._clients().table_service.delete_table(table)

    async def list_tables(self, prefix: str = "") -> list[str]:
        service = self._clients().table_service
        with _guard:
            tables = service.query_tables(table_filter(prefix)) if prefix else service.list_tables()
            return sorted([item.name async for item in tables if item.name.startswith(prefix)])

    async def check(self) -> None:
        with _guard:
            async for _ in self._clients().table_service.list_tables(results_per_page=1):
                break


async def _apply(client: TableClient, operation: Operation, entity: _Entity) -> str:
    match operation:
        case Insert():
            return _etag(await client.create_entity(entity))
        case Replace():
            return _etag(await client.update_entity(entity, mode=UpdateMode.REPLACE, **_condition(operation.etag)))
        case Merge():
            return _etag(await client.update_entity(entity, mode=UpdateMode.MERGE, **_condition(operation.etag)))
        case Upsert():
            return _etag(await client.upsert_entity(entity, mode=UpdateMode.REPLACE))
        case Delete():
            return await _delete(client, entity, operation.etag)
        case _:
            assert_never(operation)


async def _delete(client: TableClient, entity: _Entity, etag: str | None) -> str:
    # The SDK keeps quiet about a row that is not there; the hook sees the status all the same.
    status: list[int] = []
    await client.delete_entity(entity, raw_response_hook=lambda answer: status.append(answer.http_response.status_code), **_condition(etag))
    if status[-1] == 404:
        raise Missing
    return ""


def _step(operation: Operation, entity: _Entity) -> _Step:
    match operation:
        case Insert():
            return TransactionOperation.CREATE, entity, {}
        case Replace():
            return TransactionOperation.UPDATE, entity, {"mode": UpdateMode.REPLACE} | _condition(operation.etag)
        case Merge():
            return TransactionOperation.UPDATE, entity, {"mode": UpdateMode.MERGE} | _condition(operation.etag)
        case Upsert():
            return TransactionOperation.UPSERT, entity, {"mode": UpdateMode.REPLACE}
        case Delete():
            return TransactionOperation.DELETE, entity, _condition(operation.etag)
        case _:
            assert_never(operation)


def _condition(etag: str | None) -> dict[str, Any]:
    return {} if etag is None else {"etag": etag, "match_condition": MatchConditions.IfNotModified}


def _etag(answer: Mapping[str, Any]) -> str:
    return str(answer["etag"])


def _entity(partition: str, operation: Operation) -> _Entity:
    entity: _Entity = {"PartitionKey": keys.encode(partition), "RowKey": keys.encode(operation.key)}
    if not isinstance(operation, Delete):
        limits.row(partition, operation.key, operation.values)
        entity |= {name: _stored(value) for name, value in operation.values.items()}
    return entity


def _stored(value: Value) -> Any:
    # Every integer as Int64: a column that held both widths could not be compared by one filter.
    return EntityProperty(value, EdmType.INT64) if type(value) is int else value


def _row(entity: Mapping[str, Any]) -> Row:
    values = {name: _read(value) for name, value in entity.items() if name not in ("PartitionKey", "RowKey")}
    etag: str = entity.metadata["etag"]  # type: ignore[attr-defined]  # a TableEntity, which the SDK types as Mapping here
    return Row(keys.decode(entity["PartitionKey"]), keys.decode(entity["RowKey"]), values, etag)


def _read(value: Any) -> Value:
    if isinstance(value, EntityProperty):
        return int(value.value)
    if isinstance(value, datetime):
        return datetime.combine(value.date(), value.timetz())  # the SDK's subclass → datetime
    return value  # type: ignore[no-any-return]  # str, int, bool, float or bytes: all that _stored lets in
