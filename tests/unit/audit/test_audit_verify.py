"""Whatever somebody who can write the tables does to sealed rows, it is found. They have no key of ours."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.audit import chain
from shared_code.audit import tables as rows
from shared_code.audit.heads import Heads
from shared_code.audit.models import Head
from shared_code.storage.ports import Delete, Insert, Merge, Replace, Upsert
from tests.unit.audit.trails import DAY, DAY_SECONDS, NEW, OLD, World, signer_of, world

TABLE = rows.table_of(DAY)
DAYS = [DAY, "20260111", "20260112"]


async def three_days() -> World:
    trail = world()
    for _ in DAYS:
        for user_id in ("ada", "bob", None):
            await trail.record(2, user_id=user_id)
        await trail.sealer.run()
        await trail.record(1)
        await trail.sealer.run()
        trail.clock.advance(DAY_SECONDS - 7)
    return trail


async def written(trail: World, day: str, operation: Any) -> None:
    await trail.tables.apply(rows.table_of(day), rows.LOG, operation)


async def head_of(trail: World, day: str = DAY) -> Head:
    head = await Heads(trail.tables).of(day)
    assert head is not None
    return head


ALTERATIONS: dict[str, Any] = {
    "kind": "sign_out",
    "user_id": "eve",
    "at": None,
    "details": "{}",
    "request_id": "req_1",
    "seq": 99,
    "hash": "0" * 64,
    "v": 2,
    "sealed": False,
    "added": True,
}


@settings(max_examples=60)
@given(day=st.sampled_from(DAYS), number=st.integers(0, 6), data=st.data())
async def test_any_single_change_of_a_sealed_row_is_found(day: str, number: int, data: st.DataObject) -> None:
    trail = await three_days()
    log = await trail.log(day)
    row, other = log[number], log[number - 1]
    change = data.draw(st.sampled_from([*ALTERATIONS, "removed", "swapped", "numbers swapped", "unsealed", "moved", "bit"]))
    if change == "removed":
        await written(trail, day, Delete(row.key))
    elif change == "swapped":
        await written(trail, day, Replace(row.key, other.values))
        await written(trail, day, Replace(other.key, row.values))
    elif change == "numbers swapped":
        for one, another in ((row, other), (other, row)):
            await written(trail, day, Merge(one.key, {name: another.values[name] for name in ("seq", "hash")}))
    elif change == "unsealed":
        await written(trail, day, Replace(row.key, {**rows.content(row), "sealed": False}))
    elif change == "moved":
        await written(trail, day, Delete(row.key))
        await written(trail, day, Insert(row.key[:-1] + ("0" if row.key[-1] != "0" else "1"), row.values))
    elif change == "bit":
        position = data.draw(st.integers(0, 63))
        digit = str(row.values["hash"])
        altered = digit[:position] + ("0" if digit[position] != "0" else "1") + digit[position + 1 :]
        await written(trail, day, Merge(row.key, {"hash": altered}))
    else:
        value = ALTERATIONS[change] if change != "at" else trail.clock.now()
        await written(trail, day, Merge(row.key, {change: value}))
    report = await trail.verify()
    assert report.outcome == "tampered", change
    assert {finding.day for finding in report.findings if finding.kind == "tampered"} == {day}
    # Nor does sealing anew, or a night, cover it up.
    await trail.sealer.seal(day, whole=True)
    await trail.sealer.sweep()
    assert await trail.outcome() == "tampered", change


@pytest.mark.parametrize("which", [0, 3, 6])
async def test_a_removed_row_is_named(which: int) -> None:
    trail = await three_days()
    await written(trail, DAY, Delete((await trail.log())[which].key))
    report = await trail.verify(DAY)
    assert [(finding.day, finding.seq) for finding in report.findings if "row was removed" in finding.what] == [(DAY, which + 1)]


async def test_an_altered_row_is_named_and_nothing_else() -> None:
    trail = await three_days()
    row = (await trail.log())[2]
    await written(trail, DAY, Merge(row.key, {"details": '{"address":"192.0.2.9"}'}))
    report = await trail.verify()
    named = [(finding.day, finding.seq) for finding in report.findings if "own list" not in finding.what]
    assert named == [(DAY, 3)]


async def test_added_rows_that_pretend_to_be_sealed() -> None:
    for seq in (0, 3, 8, 2**40, 2**62):
        trail = await three_days()
        row = (await trail.log())[2]
        values = {**row.values, "user_id": "eve", "seq": seq}
        await written(trail, DAY, Insert(row.key[:-1] + ("0" if row.key[-1] != "0" else "1"), values))
        report = await trail.verify()
        assert report.outcome == "tampered"
        assert any(finding.seq == seq for finding in report.findings)


async def forged_chain(trail: World, day: str, signature: str) -> None:
    """A row altered, every later hash and the head computed anew, and signed somehow."""
    head = await head_of(trail, day)
    link = chain.genesis(day, head.previous_day, head.previous_seq, head.previous_hash)
    for number, row in enumerate(await trail.log(day)):
        if number == 2:
            await written(trail, day, Merge(row.key, {"kind": "nothing_to_see"}))
            row = (await trail.log(day))[number]
        link = chain.link(link, rows.digest(day, row))
        await written(trail, day, Merge(row.key, {"hash": link}))
    forged = replace(head, hash=link)
    if signature == "unknown":
        forged = replace(forged, signature=await signer_of(NEW).sign(chain.head_text(forged)))
    elif signature == "nonsense":
        forged = replace(forged, signature="not.a.signature")
    await written(trail, day, Upsert(rows.HEAD, rows.head_values(forged)))


@pytest.mark.parametrize("signature", ["kept", "nonsense", "unknown"])
@pytest.mark.parametrize("day", DAYS)
async def test_a_chain_computed_anew(day: str, signature: str) -> None:
    trail = await three_days()
    await forged_chain(trail, day, signature)
    assert await trail.outcome() == "tampered"
    await trail.tables.apply(rows.HEADS, rows.LOG, Delete(rows.DAY + day))
    await trail.record(1)
    await trail.sealer.run()
    await trail.sealer.sweep()
    # Without the copy of its head the last day has nobody but its own signature to speak for it.
    expected = "unchecked" if (day, signature) == (DAYS[-1], "unknown") else "tampered"
    report = await trail.verify()
    own_lists = [finding for finding in report.findings if "own list" in finding.what]
    report.findings = [finding for finding in report.findings if finding not in own_lists]
    assert own_lists
    assert report.outcome == expected


@pytest.mark.parametrize("day", DAYS)
async def test_a_removed_head(day: str) -> None:
    trail = await three_days()
    await written(trail, day, Delete(rows.HEAD))
    assert await trail.outcome() == "tampered"
    await trail.sealer.sweep()
    assert await trail.outcome() == "tampered"
    for row in await trail.log(day):
        await written(trail, day, Replace(row.key, {**rows.content(row), "sealed": False}))
    await trail.sealer.seal(day, whole=True)
    assert await trail.outcome() == "tampered", "sealing anew does not cover it up"


@pytest.mark.parametrize("day", DAYS)
async def test_a_removed_day(day: str) -> None:
    trail = await three_days()
    await trail.tables.drop(rows.table_of(day))
    report = await trail.verify()
    assert report.outcome == "tampered"
    assert {finding.day for finding in report.findings} == {day}
    if day != DAYS[-1]:
        await trail.tables.drop(rows.HEADS)
        assert await trail.outcome() == "tampered"


async def test_a_day_put_back_to_an_earlier_head() -> None:
    trail = await three_days()
    await trail.record(1)
    await trail.sealer.run()
    today = rows.day_of(trail.clock.now())
    head = await head_of(trail, today)
    await trail.record(2)
    await trail.sealer.run()
    for row in (await trail.log(today))[1:]:
        await written(trail, today, Delete(row.key))
    await written(trail, today, Upsert(rows.HEAD, rows.head_values(head)))
    assert await trail.outcome() == "tampered"


@pytest.mark.parametrize("how", ["altered", "removed", "added"])
async def test_a_users_own_list(how: str) -> None:
    trail = await three_days()
    copies = await trail.tables.query(rows.COPIES, "ada", limit=100)
    key = copies[3].key
    if how == "altered":
        operation: Any = Merge(key, {"kind": "nothing_to_see"})
    elif how == "removed":
        operation = Delete(key)
    else:
        operation = Insert(key[:-1] + ("0" if key[-1] != "0" else "1"), copies[3].values)
    await trail.tables.apply(rows.COPIES, "ada", operation)
    assert await trail.outcome() == "tampered"


@pytest.mark.parametrize("change", [{"through": "20260111"}, {"signature": "x"}, {"hash": "0" * 64}])
async def test_the_mark_of_retention(change: dict[str, str]) -> None:
    trail = await three_days()
    trail.retention._keep_days = 2
    assert await trail.retention.purge() == 1
    assert await trail.outcome() == "intact"
    await trail.tables.apply(rows.HEADS, rows.LOG, Merge(rows.DROPPED, change))
    assert await trail.outcome() == "tampered"


async def test_key_rotation() -> None:
    """What a key has signed that is not known any more is held by what comes later."""
    trail = await three_days()
    assert (await trail.verify(signer=signer_of(NEW, OLD))).outcome == "intact"
    rotated = world(trail.tables, trail.clock, NEW, OLD)
    await rotated.record(1)
    await rotated.sealer.run()
    report = await trail.verify(signer=signer_of(NEW))
    assert report.outcome == "intact"
    assert {finding.day: finding.kind for finding in report.findings} == dict.fromkeys(DAYS, "note")
    await forged_chain(trail, DAYS[1], "unknown")
    assert (await trail.verify(signer=signer_of(NEW))).outcome == "tampered"


async def test_a_key_replaced_at_once() -> None:
    """Nobody is left who could speak for the old days: that is said, and is no tampering."""
    trail = await three_days()
    replaced = world(trail.tables, trail.clock, NEW)
    await replaced.record(1)
    await replaced.sealer.run()
    report = await trail.verify(signer=signer_of(NEW))
    assert report.outcome == "unchecked"
    assert {finding.day: finding.kind for finding in report.findings} == dict.fromkeys(DAYS, "unchecked")


async def test_one_day() -> None:
    trail = await three_days()
    for day in DAYS:
        report = await trail.verify(day)
        assert (report.outcome, report.days, report.sealed) == ("intact", 1, 7)
    await written(trail, DAYS[1], Delete((await trail.log(DAYS[1]))[1].key))
    assert (await trail.verify(DAYS[1])).outcome == "tampered"
    assert (await trail.verify(DAYS[0])).outcome == "intact"


async def test_a_token_is_no_signature() -> None:
    import jwt

    trail = await three_days()
    head = await head_of(trail)
    text = chain.head_text(head).encode()
    for headers in ({"typ": "at+jwt"}, {"crit": ["b64"]}):
        signature = jwt.PyJWS().encode(text, OLD.private, algorithm="HS256", headers={"kid": OLD.kid, "typ": "lydian-audit+jws", **headers})
        await written(trail, DAY, Merge(rows.HEAD, {"signature": signature}))
        assert await trail.outcome() == "tampered"


async def test_nothing_recorded_and_nothing_sealed() -> None:
    trail = world()
    assert await trail.outcome() == "intact"
    await trail.record(2)
    assert await trail.outcome() == "intact", "what is young need not be sealed"
    trail.clock.advance(3600)
    assert await trail.outcome() == "unchecked"
