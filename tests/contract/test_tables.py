"""Single rows: what is written is read, and each kind of write keeps its promise."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared_code.storage.ports import AlreadyExists, Delete, EtagMismatch, Insert, Merge, Missing, Replace, Storage, Upsert, Value
from tests.contract.conftest import outcomes

MOMENT = datetime(2026, 1, 31, 12, 30, 15, 123456, tzinfo=UTC)

VALUES: dict[str, Value] = {
    "text": "Grüße, 世界 🎉 'quoted' \"twice\" \\ / \t\n",
    "empty": "",
    "small": 5,
    "zero": 0,
    "negative": -7,
    "beyond32": 2**31,
    "most": 2**63 - 1,
    "least": -(2**63),
    "yes": True,
    "no": False,
    "real": 1.5,
    "whole": 2.0,
    "tiny": 5e-324,
    "huge": -1.7976931348623157e308,
    "endless": float("inf"),
    "least_endless": float("-inf"),
    "bytes": bytes(range(256)),
    "nothing": b"",
    "moment": MOMENT,
    "looks_like_a_date": "2026-01-31T12:30:15Z",
}


async def test_every_type_comes_back_as_it_went(storage: Storage, name: str) -> None:
    etag = await storage.tables.apply(name, "p", Insert("k", VALUES))
    row = await storage.tables.get(name, "p", "k")
    assert row is not None
    assert (row.partition, row.key, row.etag) == ("p", "k", etag)
    assert dict(row.values) == VALUES
    assert {key: type(value) for key, value in row.values.items()} == {key: type(value) for key, value in VALUES.items()}
    assert etag


async def test_none_is_left_out_and_datetimes_become_utc(storage: Storage, name: str) -> None:
    east = MOMENT.astimezone(timezone(timedelta(hours=5)))
    await storage.tables.apply(name, "p", Insert("k", {"gone": None, "at": east}))
    row = await storage.tables.get(name, "p", "k")
    assert row is not None
    assert dict(row.values) == {"at": MOMENT}
    assert isinstance(row.values["at"], datetime)
    assert row.values["at"].tzinfo == UTC


async def test_a_row_may_have_no_properties(storage: Storage, name: str) -> None:
    await storage.tables.apply(name, "p", Insert("k", {}))
    row = await storage.tables.get(name, "p", "k")
    assert row is not None
    assert dict(row.values) == {}


async def test_reading_what_is_not_there(storage: Storage, name: str) -> None:
    assert await storage.tables.get(name, "p", "k") is None
    await storage.tables.apply(name, "p", Insert("other", {}))
    assert await storage.tables.get(name, "p", "k") is None
    assert await storage.tables.get(name, "q", "other") is None


async def test_insert_only_once(storage: Storage, name: str) -> None:
    await storage.tables.apply(name, "p", Insert("k", {"n": 1}))
    with pytest.raises(AlreadyExists):
        await storage.tables.apply(name, "p", Insert("k", {"n": 2}))
    row = await storage.tables.get(name, "p", "k")
    assert row is not None
    assert row.values["n"] == 1


async def test_replace_drops_what_it_does_not_name(storage: Storage, name: str) -> None:
    first = await storage.tables.apply(name, "p", Insert("k", {"a": 1, "b": 2}))
    second = await storage.tables.apply(name, "p", Replace("k", {"b": 3}, first))
    row = await storage.tables.get(name, "p", "k")
    assert row is not None
    assert (dict(row.values), row.etag) == ({"b": 3}, second)
    assert first != second


async def test_merge_keeps_what_it_does_not_name(storage: Storage, name: str) -> None:
    first = await storage.tables.apply(name, "p", Insert("k", {"a": 1, "b": 2}))
    second = await storage.tables.apply(name, "p", Merge("k", {"b": 3, "a": None}, first))
    row = await storage.tables.get(name, "p", "k")
    assert row is not None
    assert (dict(row.values), row.etag) == ({"a": 1, "b": 3}, second)
    assert first != second


async def test_upsert_inserts_then_replaces(storage: Storage, name: str) -> None:
    first = await storage.tables.apply(name, "p", Upsert("k", {"a": 1}))
    second = await storage.tables.apply(name, "p", Upsert("k", {"b": 2}))
    row = await storage.tables.get(name, "p", "k")
    assert row is not None
    assert (dict(row.values), row.etag) == ({"b": 2}, second)
    assert first != second


async def test_writes_without_etag_are_unconditional(storage: Storage, name: str) -> None:
    await storage.tables.apply(name, "p", Insert("k", {"a": 1}))
    await storage.tables.apply(name, "p", Replace("k", {"a": 2}))
    await storage.tables.apply(name, "p", Merge("k", {"b": 3}))
    row = await storage.tables.get(name, "p", "k")
    assert row is not None
    assert dict(row.values) == {"a": 2, "b": 3}
    assert await storage.tables.apply(name, "p", Delete("k")) == ""
    assert await storage.tables.get(name, "p", "k") is None


@pytest.mark.parametrize("kind", [Replace, Merge])
async def test_a_stale_etag_is_refused(storage: Storage, name: str, kind: type[Replace] | type[Merge]) -> None:
    stale = await storage.tables.apply(name, "p", Insert("k", {"n": 1}))
    await storage.tables.apply(name, "p", Replace("k", {"n": 2}, stale))
    with pytest.raises(EtagMismatch):
        await storage.tables.apply(name, "p", kind("k", {"n": 3}, stale))
    with pytest.raises(EtagMismatch):
        await storage.tables.apply(name, "p", Delete("k", stale))
    row = await storage.tables.get(name, "p", "k")
    assert row is not None
    assert row.values["n"] == 2
    await storage.tables.apply(name, "p", Delete("k", row.etag))
    assert await storage.tables.get(name, "p", "k") is None


@pytest.mark.parametrize("table_exists", [True, False])
@pytest.mark.parametrize(
    "operation", [Replace("k", {}), Merge("k", {}), Delete("k"), Replace("k", {}, "W/\"datetime'2026-01-01T00%3A00%3A00Z'\"")]
)
async def test_changing_what_is_not_there(storage: Storage, name: str, operation: Replace | Merge | Delete, table_exists: bool) -> None:
    if table_exists:
        await storage.tables.apply(name, "p", Insert("other", {}))
    with pytest.raises(Missing):
        await storage.tables.apply(name, "p", operation)


async def test_twenty_inserts_have_one_winner(storage: Storage, name: str) -> None:
    results = await outcomes(*(storage.tables.apply(name, "p", Insert("k", {"n": n})) for n in range(20)))
    assert sorted(type(result).__name__ for result in results) == ["AlreadyExists"] * 19 + ["str"]
    row = await storage.tables.get(name, "p", "k")
    assert row is not None
    assert isinstance(row.values["n"], int)
    assert row.etag == results[row.values["n"]]


async def test_twenty_replaces_of_one_etag_have_one_winner(storage: Storage, name: str) -> None:
    etag = await storage.tables.apply(name, "p", Insert("k", {"n": -1}))
    results = await outcomes(*(storage.tables.apply(name, "p", Replace("k", {"n": n}, etag)) for n in range(20)))
    assert sorted(type(result).__name__ for result in results) == ["EtagMismatch"] * 19 + ["str"]
    row = await storage.tables.get(name, "p", "k")
    assert row is not None
    assert isinstance(row.values["n"], int)
    assert row.etag == results[row.values["n"]]


async def test_many_writers_make_one_new_table(storage: Storage, name: str) -> None:
    await outcomes(*(storage.tables.apply(name, "p", Upsert(f"k{n:02}", {})) for n in range(20)))
    assert len(await storage.tables.query(name, "p")) == 20


async def test_the_longest_string_and_a_big_row(storage: Storage, name: str) -> None:
    longest, astral = "x" * 32 * 1024, "🎉" * 16 * 1024
    values: dict[str, Value] = {"astral": astral, "binary": b"y" * 64 * 1024, **{f"s{n}": longest for n in range(14)}}
    await storage.tables.apply(name, "p", Insert("k", values))
    row = await storage.tables.get(name, "p", "k")
    assert row is not None
    assert dict(row.values) == values


BREACHES: list[tuple[str, dict[str, Value]]] = [
    ("k", {"s": "x" * (32 * 1024 + 1)}),
    ("k", {"s": "🎉" * (16 * 1024 + 1)}),
    ("k", {"n": 2**63}),
    ("k", {"b": b"x" * (64 * 1024 + 1)}),
    ("k", {"at": datetime(2026, 1, 1)}),  # naive on purpose
    ("k", {"RowKey": "x"}),
    ("k", {"a b": "x"}),
    ("k", {f"s{n}": "x" * 32 * 1024 for n in range(17)}),
    ("k", {f"n{n}": n for n in range(253)}),
    ("k", {"list": []}),  # type: ignore[dict-item]  # wrong on purpose
    ("x" * 513, {}),
    ("/" * 171, {}),
]


@pytest.mark.parametrize(("key", "values"), BREACHES)
async def test_limits_are_checked_before_anything_is_sent(storage: Storage, name: str, key: str, values: dict[str, Value]) -> None:
    with pytest.raises(ValueError):
        await storage.tables.apply(name, "p", Insert(key, values))
    assert await storage.tables.list_tables(name) == []


@pytest.mark.parametrize("bad", ["ab", "1table", "with-dash", "x" * 64, ""])
async def test_table_names(storage: Storage, bad: str) -> None:
    with pytest.raises(ValueError):
        await storage.tables.get(bad, "p", "k")


async def test_drop_and_list_tables(storage: Storage, name: str) -> None:
    for suffix in ("b", "a"):
        await storage.tables.apply(name + suffix, "p", Insert("k", {}))
    assert await storage.tables.list_tables(name) == [name + "a", name + "b"]
    assert set(await storage.tables.list_tables()) >= {name + "a", name + "b"}
    await storage.tables.drop(name + "a")
    await storage.tables.drop(name + "never")
    assert await storage.tables.list_tables(name) == [name + "b"]
    assert await storage.tables.get(name + "a", "p", "k") is None
    await storage.tables.apply(name + "a", "p", Insert("again", {}))
    assert [row.key for row in await storage.tables.query(name + "a")] == ["again"]
