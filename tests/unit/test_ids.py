"""Ids: opaque, short, URL-safe, and in order of creation."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared_code import ids

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2500, 1, 1), timezones=st.just(UTC))


def test_they_are_url_safe_and_short() -> None:
    assert re.fullmatch("[0-9a-z]{26}", ids.new_id(NOW))


def test_within_a_millisecond_they_stay_in_order() -> None:
    made = [ids.new_id(NOW) for _ in range(2000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_threads_make_no_id_twice() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: ids.new_id(NOW), range(4000)))
    assert len(set(made)) == len(made)


@given(moments, st.integers(1, 10**9))
def test_later_is_greater(moment: datetime, milliseconds: int) -> None:
    assert ids.new_id(moment) < ids.new_id(moment + timedelta(milliseconds=milliseconds + 1))


@given(moments)
def test_they_tell_their_time(moment: datetime) -> None:
    assert ids.timestamp_ms(ids.new_id(moment)) == int(moment.timestamp() * 1000)


@given(st.integers(0, 2**130 - 1), st.integers(0, 2**130 - 1))
def test_inverted_lists_newest_first(one: int, other: int) -> None:
    first, second = ids.encode(one, 26), ids.encode(other, 26)
    assert (first < second) == (one < other)
    assert (ids.inverted(first) > ids.inverted(second)) == (first < second)
    assert ids.inverted(ids.inverted(first)) == first
    assert ids.is_id(ids.inverted(first))


@given(st.text())
def test_what_is_no_id(text: str) -> None:
    assert ids.is_id(text) == bool(re.fullmatch("[0-9a-hjkmnp-tv-z]{26}", text))
