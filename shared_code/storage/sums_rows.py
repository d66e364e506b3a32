"""The rows of a sum (``sums.py``): how figures stand in them, and what readers get."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from .ports import Insert, Operation, Replace, Row, Tables, Value

Figures = Mapping[str, int]
"""By name. Nought and absent are the same."""

SHARDS = 8
VERSION = 2
ALL, LATEST, SUM, OWNER = "all", "latest", "sum", "o:"
SHOWN = 100
"""Names in the difference that a recount leaves."""
PIECE = 30_000
"""Characters of one property; a string property holds 32 Ki (``limits.py``)."""
OWNERS = " owners"
"""How many owners were counted: stored among the figures, of which no service names one so."""


@dataclass(frozen=True, slots=True)
class Summed:
    """``owners``: how many have any figures. ``drifted``: how many the last recount found miscounted, and by how much in all."""

    figures: Figures
    owners: int
    as_of: datetime
    recounted_at: datetime | None = None
    drifted: int = 0
    difference: Figures = field(default_factory=dict)


async def read(tables: Tables, table: str) -> Summed | None:
    """The last roll-up in a service's table, if there has been one; for who only reads it. One storage call."""
    return summed(await tables.get(table, ALL, LATEST))


def partition(number: int) -> str:
    return f"{number:02}"


def shard_of(owner: str) -> str:
    return partition(zlib.crc32(owner.encode()) % SHARDS)


def clean(figures: Figures) -> dict[str, int]:
    return {name: number for name, number in figures.items() if number}


def of_one(figures: Figures) -> dict[str, int]:
    """An owner's figures as they are counted: one owner, unless there is nothing."""
    found = clean(figures)
    return {**found, OWNERS: 1} if found else {}


def pack(figures: Figures) -> dict[str, Value]:
    text = json.dumps(clean(figures), sort_keys=True, separators=(",", ":"))
    pieces = [text[first : first + PIECE] for first in range(0, len(text), PIECE)]
    return {"v": VERSION, "figures": pieces[0], **{f"figures{n}": piece for n, piece in enumerate(pieces[1:], 2)}}


def unpack(row: Row | None) -> dict[str, int]:
    if row is None or row.values.get("v") != VERSION:
        return {}
    text, number = str(row.values["figures"]), 2
    while (piece := row.values.get(f"figures{number}")) is not None:
        text, number = text + str(piece), number + 1
    found: dict[str, int] = json.loads(text)
    return found


def sum_operation(sums: Figures, row: Row | None) -> Operation:
    return Insert(SUM, pack(sums)) if row is None else Replace(SUM, pack(sums), row.etag)


def summed_values(summed: Summed) -> dict[str, Value]:
    return {
        **pack({**summed.figures, OWNERS: summed.owners}),
        "as_of": summed.as_of,
        "recounted_at": summed.recounted_at,
        "drifted": summed.drifted,
        "difference": json.dumps(dict(list(summed.difference.items())[:SHOWN])),
    }


def summed(row: Row | None) -> Summed | None:
    if row is None or row.values.get("v") != VERSION:
        return None  # none, or of a version that kept no rows of owners
    figures = unpack(row)
    as_of, recounted_at, drifted = row.values["as_of"], row.values.get("recounted_at"), row.values.get("drifted")
    assert isinstance(as_of, datetime)
    return Summed(
        {name: number for name, number in figures.items() if name != OWNERS},
        figures.get(OWNERS, 0),
        as_of,
        recounted_at if isinstance(recounted_at, datetime) else None,
        drifted if isinstance(drifted, int) else 0,
        json.loads(str(row.values.get("difference") or "{}")),
    )
