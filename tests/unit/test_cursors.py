"""Cursors: what was given comes back, and nothing else is accepted."""

import base64

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared_code.errors import InvalidCursor
from shared_code.storage import cursors

OF = ("files", "user-1", None, "image")
positions = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100)


@given(positions, st.lists(st.none() | st.text(max_size=5), max_size=3))
def test_round_trip(position: str, of: list[str | None]) -> None:
    cursor = cursors.encode(position, *of)
    assert cursors.decode(cursor, *of) == position
    assert cursor.replace("-", "").replace("_", "").isalnum()


def test_no_cursor_is_no_position() -> None:
    assert cursors.decode(None, *OF) is None


@pytest.mark.parametrize("of", [(), ("files", "user-2", None, "image"), ("files", "user-1", "image", None), ("files", "user-1", None)])
def test_a_cursor_belongs_to_one_list(of: tuple[str | None, ...]) -> None:
    with pytest.raises(InvalidCursor):
        cursors.decode(cursors.encode("position", *OF), *of)


@given(st.text(max_size=60))
def test_forged_ones_are_refused(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        cursors.decode(cursor, *OF)


@given(positions, st.integers(0, 200), st.characters(exclude_categories=["Cs"]))
def test_a_changed_one_is_refused(position: str, index: int, character: str) -> None:
    cursor = cursors.encode(position, *OF)
    index %= len(cursor)
    changed = cursor[:index] + character + cursor[index + 1 :]
    assume(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)) != _decoded(changed))
    with pytest.raises(InvalidCursor):
        cursors.decode(changed, *OF)


def _decoded(cursor: str) -> bytes:
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""


@pytest.mark.parametrize("position", ["x" * 401, "/" * 200, "\x00" * 200, "", "\U00010000" * 300])
def test_a_position_that_is_no_key_is_refused(position: str) -> None:
    """The mark is no secret: whoever reads the source can make one, and must not get a 500 for it."""
    with pytest.raises(InvalidCursor):
        cursors.decode(cursors.encode(position, *OF), *OF)
