"""OData filters of Table storage queries, with every value quoted here and nowhere else."""

from collections.abc import Sequence
from datetime import UTC, datetime

from . import keys
from .ports import Where


def row_filter(
    partition: str | None, after: str | None, before: str | None, prefix: str, where: Sequence[Where], after_partition: str | None
) -> str:
    """The arguments of ``Tables.query`` as one filter; empty when there is no condition."""
    terms: list[str] = []
    if partition is not None:
        terms.append(f"PartitionKey eq {_text(keys.encode(partition))}")
    elif after_partition is not None:
        terms.append(_behind(keys.encode(after_partition), after))
        after = None
    if after is not None:
        terms.append(f"RowKey gt {_text(keys.encode(after))}")
    if before is not None:
        terms.append(f"RowKey lt {_text(keys.encode(before))}")
    if prefix:
        terms += _starts("RowKey", keys.encode(prefix))
    for condition in where:
        terms += _condition(condition)
    return " and ".join(terms)


def table_filter(prefix: str) -> str:
    return " and ".join(_starts("TableName", prefix))


def _behind(partition: str, after: str | None) -> str:
    later = f"PartitionKey gt {_text(partition)}"
    if after is None:
        return later
    return f"({later} or (PartitionKey eq {_text(partition)} and RowKey gt {_text(keys.encode(after))}))"


def _condition(condition: Where) -> list[str]:
    if condition.op != "prefix":
        return [f"{condition.column} {condition.op} {_literal(condition.value)}"]
    assert isinstance(condition.value, str)  # limits.where has seen it
    # An empty prefix still asks for the property to be there.
    return _starts(condition.column, condition.value)


def _starts(column: str, prefix: str) -> list[str]:
    end = keys.successor(prefix)
    return [f"{column} ge {_text(prefix)}"] + ([f"{column} lt {_text(end)}"] if end else [])


def _literal(value: str | int | bool | datetime) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}L"  # as stored: Int64
    if isinstance(value, datetime):
        return f"datetime'{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}'"
    return _text(value)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
