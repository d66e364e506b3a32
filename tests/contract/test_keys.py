"""The encoding of keys: reversible, prefix by prefix, in one order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_code.storage import keys

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(texts)
def test_round_trip_without_forbidden_characters(key: str) -> None:
    stored = keys.encode(key)
    assert keys.decode(stored) == key
    assert not set("/\\#?%") & set(stored)
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in stored)


@given(texts, texts)
def test_a_prefix_stays_a_prefix_and_nothing_else_becomes_one(one: str, other: str) -> None:
    assert keys.encode(one + other).startswith(keys.encode(one))
    assert keys.encode(other).startswith(keys.encode(one)) == other.startswith(one)


@given(texts, texts)
def test_successor_bounds_exactly_the_prefix(prefix: str, key: str) -> None:
    end = keys.successor(prefix)
    at, low = keys.sort_key(key), keys.sort_key(prefix)
    assert key.startswith(prefix) == (
        at >= low and (end is None or at < keys.sort_key(end)) and (end is not None or key.startswith(prefix))
    )


@given(texts, texts)
def test_order_of_text_without_forbidden_characters_is_kept(one: str, other: str) -> None:
    if keys.encode(one) == one and keys.encode(other) == other:
        assert (keys.sort_key(keys.encode(one)) < keys.sort_key(keys.encode(other))) == (
            one.encode("utf-16-be") < other.encode("utf-16-be")
        )


def test_length() -> None:
    assert len(keys.encode("x" * 512)) == 512
    for key in ("x" * 513, "/" * 171, "🎉" * 257):
        with pytest.raises(ValueError):
            keys.encode(key)
    assert keys.encode("🎉" * 256) == "🎉" * 256
