"""Whoever follows an answer, from whatever place and instance, hears each character once."""

import asyncio
import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared_code.chat.following import Delta
from shared_code.chat.models import MAX_ANSWER
from shared_code.chat.running import Run
from shared_code.chat.tables import PIECE
from shared_code.errors import NotFound, StorageUnavailable
from tests.unit.chat.chats import Room, eventually, heard, make_room, until

PIECES = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=12), max_size=10)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pieces=PIECES, cuts=st.lists(st.integers(0, 120), min_size=1, max_size=4), elsewhere=st.booleans())
def test_resuming_anywhere_loses_and_doubles_nothing(pieces: list[str], cuts: list[int], elsewhere: bool) -> None:
    async def run() -> None:
        room = await make_room()
        steps = [asyncio.Event() for _ in pieces]
        room.answers.say(*itertools.chain.from_iterable(zip(steps, pieces, strict=True)))
        conversation = await room.conversation()
        begun = await room.container.chat.ask(room.payer, conversation, "Hi")
        listener = room.sibling() if elsewhere else room
        whole = "".join(pieces)
        following = [asyncio.create_task(heard(listener, conversation, begun.answer_id, min(cut, len(whole)))) for cut in cuts]
        for step in steps:
            step.set()
            await asyncio.sleep(0)
        for cut, task in zip(cuts, following, strict=True):
            text, message = await task
            assert whole[: min(cut, len(whole))] + text == whole == message.content
            assert message.status == "complete"
        await room.settled()

    asyncio.run(run())


async def test_a_reader_that_reconnects_again_and_again(room: Room) -> None:
    text = "".join(chr(0x1F600 + n % 60) for n in range(200))
    steps = [asyncio.Event() for _ in range(20)]
    room.answers.say(*itertools.chain.from_iterable((steps[n], text[n * 10 : n * 10 + 10]) for n in range(20)))
    conversation = await room.conversation()
    begun = await room.container.chat.ask(room.payer, conversation, "Hi")
    instances = itertools.cycle([room, room.sibling()])
    got, offset = "", 0
    for step in steps:
        step.set()
        follow = next(instances).container.chat_following.follow(room.user, conversation, begun.answer_id, offset)
        event = await anext(follow)
        assert isinstance(event, Delta)
        got, offset = got + event.text, event.offset
        await follow.aclose()
    rest, message = await heard(room, conversation, begun.answer_id, offset)
    assert got + rest == text == message.content


async def test_an_answer_longer_than_a_property_is_followed_and_kept(room: Room) -> None:
    go = asyncio.Event()
    long = "".join(f"{n} " for n in range(20_000))
    assert len(long) > 3 * PIECE
    room.answers.say(long[:50_000], go, long[50_000:])
    conversation = await room.conversation()
    begun = await room.container.chat.ask(room.payer, conversation, "Hi")
    other = room.sibling()
    following = asyncio.create_task(heard(other, conversation, begun.answer_id))

    async def stored() -> bool:
        return len((await other.container.chat_messages.bare(room.user, conversation, begun.answer_id)).content) == 50_000

    await eventually(stored)
    go.set()
    text, message = await following
    assert text == message.content == long
    bare = await room.container.chat_messages.bare(room.user, conversation, begun.answer_id)
    assert (bare.content, bool(bare.blob)) == ("", True)
    assert [each.content for each in await room.path(conversation)] == ["Hi", long]


async def test_an_endless_answer_ends_with_length(room: Room) -> None:
    room.answers.say(*["x" * 50_000] * 10)
    conversation = await room.conversation()
    message = await room.said(conversation)
    assert (len(message.content), message.finish_reason, message.status) == (MAX_ANSWER, "length", "complete")
    assert room.answers.closed == 1


async def test_following_what_is_not_there(room: Room) -> None:
    conversation = await room.conversation()
    with pytest.raises(NotFound):
        await heard(room, conversation, "0" * 34)


async def test_storage_may_be_away_for_a_moment(room: Room) -> None:
    room.answers.say("abc")
    conversation = await room.conversation()
    message = await room.said(conversation)
    other = room.sibling()
    failures = iter([True, True, True])

    def fail(verb: str, table: str) -> None:
        if next(failures, False):
            raise StorageUnavailable("away")

    other.app.tables.before = fail
    text, found = await heard(other, conversation, message.id)
    assert (text, found.status) == ("abc", "complete")


async def test_an_answer_goes_on_when_storage_is_away_while_it_is_written(room: Room) -> None:
    go = asyncio.Event()
    room.answers.say("abc", go, "def")
    conversation = await room.conversation()
    begun = await room.container.chat.ask(room.payer, conversation, "Hi")
    run = room.container.chat_runs.find(begun.answer_id)
    assert run is not None
    await until(lambda: run.length == 3)
    refused = 0

    def fail(verb: str, table: str) -> None:
        nonlocal refused
        if verb == "write" and refused < 4:
            refused += 1
            raise StorageUnavailable("away")

    room.app.tables.before = fail
    await until(lambda: refused >= 2)
    go.set()
    text, message = await heard(room, conversation, begun.answer_id)
    room.app.tables.before = lambda verb, table: None
    assert (text, message.status) == ("abcdef", "complete")
    assert (await room.container.chat_messages.get(room.user, conversation, begun.answer_id)).content == "abcdef"


@given(st.lists(st.text(max_size=20)), st.integers(0, 300))
def test_the_text_behind_any_place(pieces: list[str], begin: int) -> None:
    async def run() -> None:
        run = Run("u", None)  # type: ignore[arg-type]  # only its text
        for piece in pieces:
            run.add(piece)
        assert run.text(begin) == "".join(pieces)[begin:]
        assert run.length == len("".join(pieces))

    asyncio.run(run())
