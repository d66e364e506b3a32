"""Months, clocks and old instances, in the arithmetic alone."""

from datetime import UTC, datetime, timedelta

import pytest

from shared_code.ai import ledger, reckoning
from shared_code.ai.models import Usage
from shared_code.ai.reckoning import Ask, Granted, Refused, Settlement, reckon
from shared_code.ai.spending import Account, Counts, Lease, milliseconds
from shared_code.clock import ManualClock
from shared_code.errors import StorageUnavailable
from shared_code.storage.memory import MemoryStorage
from tests.unit.ai.meters import MODEL, START, meter, spender, stored, tokens
from tests.unit.apps import WatchedTables

MIDNIGHT = datetime(2026, 12, 1, tzinfo=UTC)


def settlement(day: str, micro: int, month: str = "", key_id: str | None = None) -> Settlement:
    return Settlement(f"s-{day}-{micro}", day, "gpt-test", Counts.of(Usage(micro), micro), key_id, month)


def test_a_clock_that_is_behind_does_not_bring_a_month_back() -> None:
    account = Account(month="2026-12", spent={"": 40}, previous_month="2026-11", previous_spent={"": 900})
    late = settlement("2026-11-30", 50, "2026-11")
    reckoned = reckon(
        account, "me", 1, MIDNIGHT - timedelta(seconds=5), budgets={"": 100}, held={}, settlements=[late], asks=[Ask("a", 60)]
    )
    assert reckoned.verdicts == [Granted({"": 60})]  # of December's
    after = reckoned.account
    assert (after.month, after.spent, after.previous_month, after.previous_spent) == ("2026-12", {"": 40}, "2026-11", {"": 950})


def test_a_month_without_any_row_between() -> None:
    account = Account(month="2026-08", spent={"": 40}, previous_month="2026-07", previous_spent={"": 7})
    late = settlement("2026-11-30", 50, "2026-11")  # of who had no limit then, so that nothing was written before
    after = reckon(account, "me", 1, MIDNIGHT, budgets={}, held={}, settlements=[late]).account
    assert (after.month, after.spent, after.previous_month, after.previous_spent) == ("2026-12", {}, "2026-11", {"": 50})


def test_leases_of_last_month_hold_nothing() -> None:
    then = MIDNIGHT - timedelta(seconds=5)
    account = reckon(Account(), "other", 1, then, budgets={"": 100}, held={}, asks=[Ask("a", 100)]).account
    refused = reckon(account, "me", 1, then, budgets={"": 100}, held={}, asks=[Ask("b", 1)])
    assert refused.verdicts == [Refused("", 0)]
    reckoned = reckon(account, "me", 1, MIDNIGHT, budgets={"": 100}, held={}, asks=[Ask("b", 100)])
    assert reckoned.verdicts == [Granted({"": 100})]


def test_an_old_day_is_counted_where_there_is_still_room_for_it() -> None:
    after = reckon(Account(month="2026-12"), "me", 1, MIDNIGHT, budgets={}, held={}, settlements=[settlement("2026-11-20", 5, "2026-11")])
    assert list(after.account.days) == ["2026-11-30"]
    assert after.flushed == {}


def test_instances_and_keys_that_are_gone_leave_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reckoning, "MOST_LEASES", 10)
    monkeypatch.setattr(reckoning, "MOST_PURSES", 5)
    now = milliseconds(MIDNIGHT)
    leases = {f"i{n}": Lease(now + (n - 30) * 1000, 1, {"": 1}) for n in range(40)}
    account = Account(month="2026-12", leases=leases, spent={"": 100, **{f"k{n}": n for n in range(20)}})
    after = reckon(account, "me", 1, MIDNIGHT, budgets={"": 1000}, held={}, settlements=[settlement("2026-12-01", 5, "2026-12")]).account
    live = {f"i{n}" for n in range(31, 40)}
    assert live | {"me"} <= after.leases.keys()
    assert len(after.leases) <= 11
    assert after.spent == {"": 105, "k19": 19, "k18": 18, "k17": 17, "k16": 16}


async def test_an_account_that_was_forgotten_goes_on_with_its_serial_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a write that did not arrive would be taken for the one of that number from before."""
    clock = ManualClock(START)
    tables = WatchedTables(MemoryStorage(clock).tables)
    monkeypatch.setattr(ledger, "REMEMBERED", 1)
    one = meter(tables, clock)
    await one.settle(await one.hold(spender(), [MODEL], tokens(1)), MODEL, tokens(10))
    for n in range(3):
        await one.settle(await one.hold(spender(f"user-{n}"), [MODEL], tokens(1)), MODEL, tokens(1))
    assert "ada" not in one._ledger._known
    hold = await one.hold(spender(), [MODEL], tokens(1))
    refuse = [True]

    def lose(verb: str, table: str) -> None:
        if verb == "write" and refuse:
            refuse.clear()
            raise StorageUnavailable("refused")

    tables.before = lose
    await one.settle(hold, MODEL, tokens(7))
    await one.settled()
    assert (await stored(tables)).spent == {"": 17}
