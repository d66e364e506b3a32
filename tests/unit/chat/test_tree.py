"""Places, paths and heavy paths, for trees of any shape."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_code.chat import tree
from shared_code.chat.importing import MAX_CROSSED, place_all
from shared_code.chat.tree import Place, Stretch
from shared_code.clock import ManualClock
from shared_code.errors import InvalidInput


@st.composite
def forests(draw: st.DrawFn) -> list[int | None]:
    """Each node's parent, in any order of the nodes."""
    size = draw(st.integers(0, 40))
    above = [draw(st.none() | st.integers(0, number - 1)) if number else None for number in range(size)]
    order = draw(st.permutations(range(size)))
    at = {number: place for place, number in enumerate(order)}
    return [None if (parent := above[number]) is None else at[parent] for number in order]


@given(forests())
def test_every_path_of_every_tree_is_found_again(parents: list[int | None]) -> None:
    placement = place_all(parents)
    assert len(set(placement.places)) == len(parents), "no two have one place"
    for number, place in enumerate(placement.places):
        way = tree.path(placement.ancestry[place.segment], place)
        walked = [Place(each.segment, depth) for each in way for depth in range(each.first, each.last + 1)]
        expected, at = [], number
        while True:
            expected.append(placement.places[at])
            above = parents[at]
            if above is None:
                break
            at = above
        assert walked == expected[::-1]
        crossed = len(way) - 1
        assert crossed < MAX_CROSSED or 2**crossed <= len(parents), "a path crosses few segments"
        assert [each for first, last in ((0, 2), (3, 5)) for each in tree.between(way, first, last)] != [] or not way


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))))
def test_ancestry_is_packed_without_loss(ancestry: list[tuple[int, int]]) -> None:
    assert tree.unpack(tree.pack(tuple(ancestry))) == tuple(ancestry)


@given(st.integers(0, tree.MAX_PLACES - 1), st.integers(0, tree.MAX_PLACES - 1))
def test_an_id_holds_its_place(segment: int, depth: int) -> None:
    place = Place(segment, depth)
    message_id = tree.new_message_id(ManualClock().now(), place)
    assert tree.place_of(message_id) == place
    assert len(message_id) <= 64


@pytest.mark.parametrize("text", ["", "x", "0" * 33, "0" * 35, "U" * 34, "0" * 33 + "-", "0" * 33 + "\u0660"])
def test_what_is_no_id_has_no_place(text: str) -> None:
    assert tree.place_of(text) is None


def test_a_part_of_a_path() -> None:
    way = tree.path(((0, 2), (3, 5)), Place(7, 9))
    assert way == [Stretch(0, 0, 2), Stretch(3, 3, 5), Stretch(7, 6, 9)]
    assert tree.between(way, 2, 6) == [Stretch(0, 2, 2), Stretch(3, 3, 5), Stretch(7, 6, 6)]
    assert tree.between(way, 10, 20) == []


@pytest.mark.parametrize("parents", [[0], [1, 0], [None, 2, 1], [1, 2, 3, 1]])
def test_circles_are_refused(parents: list[int | None]) -> None:
    with pytest.raises(InvalidInput) as caught:
        place_all(parents)
    assert caught.value.code == "circular_parents"


@settings(deadline=None)
@given(st.sampled_from(["chain", "star", "comb"]))
def test_ten_thousand_messages_of_a_hostile_shape(shape: str) -> None:
    size = 10_000
    parents: list[int | None] = [None]
    for number in range(1, size):
        parents.append({"chain": number - 1, "star": 0, "comb": number - 1 if number % 2 else max(0, number - 2)}[shape])
    placement = place_all(parents)
    assert max(len(each) for each in placement.ancestry) <= 14
