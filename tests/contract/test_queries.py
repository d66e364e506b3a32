"""Queries: order, pages, ranges of keys and conditions."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from shared_code.storage.ports import Insert, Storage, Upsert, Value, Where

# In the order that both adapters promise: forbidden characters stand where "!" does, and UTF-16 puts astral characters
# before U+E000.
ORDERED = ["", " ", "\x00", "\n", "!", "#", "%", "/", "/a", "?", "\\", "\x7f", '"', "$", "&", "'", "''", "+", "-", "0", "00", "1", ":"]
ORDERED += [
    "A",
    "Z",
    "_",
    "a",
    "a b",
    "a/",
    "a/b",
    "a0",
    "aa",
    "z",
    "|",
    "~",
    "é",
    "ö",
    "世界",
    "\ud7ff",
    "🎉",
    "\U0010ffff",
    "\ue000",
    "\ufffd",
]


async def keys(storage: Storage, name: str, partition: str | None = "p", **conditions: object) -> list[str]:
    return [row.key for row in await storage.tables.query(name, partition, **conditions)]  # type: ignore[arg-type]  # a shorthand


@pytest.fixture
async def filled(storage: Storage, name: str) -> str:
    for start in range(0, len(ORDERED), 20):
        await storage.tables.batch(name, "p", [Insert(key, {}) for key in reversed(ORDERED[start : start + 20])])
    return name


async def test_order_of_any_text(storage: Storage, filled: str) -> None:
    assert await keys(storage, filled) == ORDERED


async def test_every_key_is_found_and_bounds_are_exclusive(storage: Storage, filled: str) -> None:
    for index, key in enumerate(ORDERED):
        assert await storage.tables.get(filled, "p", key) is not None
        assert await keys(storage, filled, after=key, limit=2) == ORDERED[index + 1 : index + 3]
        if index % 5 == 0:
            assert await keys(storage, filled, before=key) == ORDERED[:index]


@pytest.mark.parametrize("prefix", ["a", "a/", "/", "'", "0", "世", "\ud7ff", "🎉", "\U0010ffff", "!", "none", ""])
async def test_prefix(storage: Storage, filled: str, prefix: str) -> None:
    assert await keys(storage, filled, prefix=prefix) == [key for key in ORDERED if key.startswith(prefix)]


async def test_paging_visits_each_row_once(storage: Storage, filled: str) -> None:
    seen: list[str] = []
    while page := await keys(storage, filled, after=seen[-1] if seen else None, limit=7):
        assert len(page) <= 7
        seen += page
    assert seen == ORDERED


async def test_prefix_with_bounds(storage: Storage, name: str) -> None:
    await storage.tables.batch(name, "p", [Insert(f"{kind}:{n:02}", {}) for kind in "abc" for n in range(10)])
    assert await keys(storage, name, prefix="b:", after="b:03", before="b:06") == ["b:04", "b:05"]
    assert await keys(storage, name, prefix="b:", after="a:03", limit=2) == ["b:00", "b:01"]
    assert await keys(storage, name, prefix="b:", after="c:03") == []
    assert await keys(storage, name, after="b:08", before="c:01") == ["b:09", "c:00"]


async def test_a_partition_sees_only_its_own(storage: Storage, name: str) -> None:
    for partition in ("p", "p/", "pp", "", "o", "ö 🎉"):
        await storage.tables.apply(name, partition, Insert("k", {"of": partition}))
    for partition in ("p", "p/", "pp", "", "ö 🎉"):
        assert [row.values["of"] for row in await storage.tables.query(name, partition)] == [partition]


async def test_all_partitions_in_order_and_in_pages(storage: Storage, name: str) -> None:
    expected = [(partition, f"k{n}") for partition in ("", "a", "b/c", "bc", "ü") for n in range(3)]
    for partition, key in reversed(expected):
        await storage.tables.apply(name, partition, Insert(key, {}))
    seen: list[tuple[str, str]] = []
    while True:
        last = seen[-1] if seen else (None, None)
        page = await storage.tables.query(name, after_partition=last[0], after=last[1], limit=4)
        if not page:
            break
        seen += [(row.partition, row.key) for row in page]
    assert seen == expected
    assert [row.partition for row in await storage.tables.query(name, after_partition="a", limit=1)] == ["b/c"]
    assert len(await storage.tables.query(name, after="k1")) == 5
    assert len(await storage.tables.query(name, prefix="k0", before="k1")) == 5


T0 = datetime(2026, 1, 1, tzinfo=UTC)
ROWS: list[dict[str, Value]] = [
    {"status": "active", "n": 1, "paid": True, "at": T0},
    {"status": "active", "n": 2**40, "paid": False, "at": T0 + timedelta(milliseconds=1)},
    {"status": "deleted", "n": -5, "paid": True, "at": T0 + timedelta(days=1)},
    {"status": "it's", "n": 2**31 - 1},
    {"other": "x"},
]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ([Where("status", "eq", "active")], [0, 1]),
        ([Where("status", "ne", "active")], [2, 3]),
        ([Where("status", "eq", "it's")], [3]),
        ([Where("status", "prefix", "a")], [0, 1]),
        ([Where("status", "prefix", "it'")], [3]),
        ([Where("status", "prefix", "")], [0, 1, 2, 3]),
        ([Where("status", "gt", "active")], [2, 3]),
        ([Where("status", "le", "deleted")], [0, 1, 2]),
        ([Where("n", "gt", 1)], [1, 3]),
        ([Where("n", "ge", 1)], [0, 1, 3]),
        ([Where("n", "lt", 0)], [2]),
        ([Where("n", "eq", 2**40)], [1]),
        ([Where("n", "ne", 1)], [1, 2, 3]),
        ([Where("n", "ge", 2**31)], [1]),
        ([Where("paid", "eq", True)], [0, 2]),
        ([Where("paid", "eq", False)], [1]),
        ([Where("paid", "ne", True)], [1]),
        ([Where("at", "eq", T0)], [0]),
        ([Where("at", "gt", T0)], [1, 2]),
        ([Where("at", "lt", T0 + timedelta(milliseconds=1))], [0]),
        ([Where("absent", "eq", "x")], []),
        ([Where("absent", "ne", "x")], []),
        ([Where("status", "eq", "active"), Where("n", "gt", 1), Where("paid", "eq", False)], [1]),
        ([Where("n", "ge", -5), Where("n", "lt", 2)], [0, 2]),
    ],
)
async def test_where(storage: Storage, name: str, where: Sequence[Where], expected: list[int]) -> None:
    await storage.tables.batch(name, "p", [Insert(f"k{n}", values) for n, values in enumerate(ROWS)])
    assert await keys(storage, name, where=where) == [f"k{n}" for n in expected]
    assert await keys(storage, name, partition=None, where=where) == [f"k{n}" for n in expected]


async def test_limit_counts_matches(storage: Storage, name: str) -> None:
    await storage.tables.batch(name, "p", [Insert(f"k{n:02}", {"n": n} if n % 2 else {}) for n in range(40)])
    assert await keys(storage, name, where=[Where("n", "ne", 1)], limit=5) == [f"k{n:02}" for n in (3, 5, 7, 9, 11)]
    assert await keys(storage, name, where=[Where("n", "gt", 3)], after="k07", limit=2) == ["k09", "k11"]


async def test_a_page_of_a_thousand(storage: Storage, name: str) -> None:
    for start in range(0, 1100, 100):
        await storage.tables.batch(name, "p", [Upsert(f"k{n:04}", {}) for n in range(start, start + 100)])
    assert await keys(storage, name, limit=1000) == [f"k{n:04}" for n in range(1000)]
    assert await keys(storage, name, limit=1000, after="k0999") == [f"k{n:04}" for n in range(1000, 1100)]


async def test_an_absent_table_is_empty(storage: Storage, name: str) -> None:
    assert await storage.tables.query(name, "p") == []
    assert await storage.tables.query(name) == []
    assert await storage.tables.list_tables(name) == []


@pytest.mark.parametrize("limit", [0, 1001])
async def test_limits(storage: Storage, name: str, limit: int) -> None:
    with pytest.raises(ValueError):
        await storage.tables.query(name, "p", limit=limit)


@pytest.mark.parametrize(("column", "op", "value"), [("n or true", "eq", "x"), ("n", "prefix", 3), ("n", "eq", 2**63)])
async def test_conditions_that_are_none(storage: Storage, name: str, column: str, op: Literal["eq", "prefix"], value: str | int) -> None:
    with pytest.raises(ValueError):
        await storage.tables.query(name, "p", where=[Where(column, op, value)])
