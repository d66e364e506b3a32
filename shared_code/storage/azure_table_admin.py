"""What is rarely done with tables, by the SDK: make, drop, list. Imported when first needed."""

from typing import TYPE_CHECKING

from .azure_errors import Translating, create
from .azure_filters import table_filter

if TYPE_CHECKING:
    from azure.data.tables.aio import TableServiceClient

_guard = Translating("table")


async def create_table(service: "TableServiceClient", name: str) -> None:
    """No error when another caller made it."""
    with _guard:
        await create(lambda: service.create_table(name))


async def drop_table(service: "TableServiceClient", name: str) -> None:
    with _guard:
        await service.delete_table(name)


async def table_names(service: "TableServiceClient", prefix: str) -> list[str]:
    with _guard:
        tables = service.query_tables(table_filter(prefix)) if prefix else service.list_tables()
        return sorted([item.name async for item in tables if item.name.startswith(prefix)])
