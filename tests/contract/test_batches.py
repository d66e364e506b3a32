"""Batches: all or none, and the operation that failed is named."""

import pytest

from shared_code.storage.ports import AlreadyExists, Delete, EtagMismatch, Insert, Merge, Missing, Operation, Replace, Storage, Upsert
from tests.contract.conftest import outcomes


async def test_all_kinds_at_once(storage: Storage, name: str) -> None:
    for key in ("replaced", "merged", "upserted", "deleted"):
        await storage.tables.apply(name, "p", Insert(key, {"old": 1}))
    deleted = await storage.tables.get(name, "p", "deleted")
    assert deleted is not None
    etags = await storage.tables.batch(
        name,
        "p",
        [
            Insert("inserted", {"big": 2**40, "text": "Grüße / 世界"}),
            Replace("replaced", {"new": 1}),
            Merge("merged", {"new": 1}),
            Upsert("upserted", {"new": 1}),
            Delete("deleted", deleted.etag),
        ],
    )
    rows = {row.key: row for row in await storage.tables.query(name, "p")}
    assert {key: dict(row.values) for key, row in rows.items()} == {
        "inserted": {"big": 2**40, "text": "Grüße / 世界"},
        "merged": {"old": 1, "new": 1},
        "replaced": {"new": 1},
        "upserted": {"new": 1},
    }
    assert etags == [rows["inserted"].etag, rows["replaced"].etag, rows["merged"].etag, rows["upserted"].etag, ""]


async def test_a_batch_makes_its_table(storage: Storage, name: str) -> None:
    await storage.tables.batch(name, "p", [Insert(f"k{n:03}", {"n": n}) for n in range(100)])
    rows = await storage.tables.query(name, "p", limit=100)
    assert [row.values["n"] for row in rows] == list(range(100))


async def test_awkward_keys(storage: Storage, name: str) -> None:
    names = ["a/b", "c\\d", "e#f", "g?h", "i%2Fj", "k'l", "m!n", "ö 🎉", ""]
    await storage.tables.batch(name, "p/q?", [Insert(key, {"key": key}) for key in names])
    await storage.tables.batch(name, "p/q?", [Merge(key, {"again": key}) for key in names])
    for key in names:
        row = await storage.tables.get(name, "p/q?", key)
        assert row is not None
        assert dict(row.values) == {"key": key, "again": key}
    await storage.tables.batch(name, "p/q?", [Delete(key) for key in names])
    assert await storage.tables.query(name) == []


@pytest.mark.parametrize(
    ("failing", "error"),
    [
        (Insert("present", {"n": 2}), AlreadyExists),
        (Replace("absent", {"n": 2}), Missing),
        (Merge("absent", {"n": 2}), Missing),
        (Delete("absent"), Missing),
    ],
)
@pytest.mark.parametrize("index", [0, 2, 4])
async def test_one_failure_changes_nothing(
    storage: Storage, name: str, failing: Operation, error: type[AlreadyExists] | type[Missing], index: int
) -> None:
    before = await storage.tables.apply(name, "p", Insert("present", {"n": 1}))
    operations: list[Operation] = [Upsert(f"new{n}", {"n": n}) for n in range(4)]
    operations.insert(index, failing)
    with pytest.raises(error) as caught:
        await storage.tables.batch(name, "p", operations)
    assert isinstance(caught.value, error)
    assert caught.value.index == index
    rows = await storage.tables.query(name, "p")
    assert [(row.key, dict(row.values), row.etag) for row in rows] == [("present", {"n": 1}, before)]


@pytest.mark.parametrize("kind", ["replace", "merge", "delete"])
async def test_a_stale_etag_fails_the_batch(storage: Storage, name: str, kind: str) -> None:
    stale = await storage.tables.apply(name, "p", Insert("present", {"n": 1}))
    await storage.tables.apply(name, "p", Replace("present", {"n": 2}))
    kinds: dict[str, Operation] = {
        "replace": Replace("present", {}, stale),
        "merge": Merge("present", {}, stale),
        "delete": Delete("present", stale),
    }
    with pytest.raises(EtagMismatch) as caught:
        await storage.tables.batch(name, "p", [Insert("new", {}), kinds[kind]])
    assert caught.value.index == 1
    assert [(row.key, dict(row.values)) for row in await storage.tables.query(name, "p")] == [("present", {"n": 2})]


async def test_concurrent_batches_have_one_winner(storage: Storage, name: str) -> None:
    etag = await storage.tables.apply(name, "p", Insert("total", {"n": -1}))
    results = await outcomes(
        *(storage.tables.batch(name, "p", [Insert(f"entry{n:02}", {}), Replace("total", {"n": n}, etag)]) for n in range(20))
    )
    assert sorted(type(result).__name__ for result in results) == ["EtagMismatch"] * 19 + ["list"]
    entry, total = await storage.tables.query(name, "p")
    assert isinstance(total.values["n"], int)
    assert entry.key == f"entry{total.values['n']:02}"


@pytest.mark.parametrize(
    "operations",
    [
        [],
        [Insert(f"k{n}", {}) for n in range(101)],
        [Insert("same", {}), Merge("same", {})],
        [Insert(f"k{n}", {f"s{m}": "x" * 32 * 1024 for m in range(15)}) for n in range(5)],
    ],
)
async def test_limits(storage: Storage, name: str, operations: list[Operation]) -> None:
    with pytest.raises(ValueError):
        await storage.tables.batch(name, "p", operations)
    assert await storage.tables.list_tables(name) == []
