"""Ranges, conditions and names of downloads, against naive models of RFC 9110."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import format_datetime
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from functions.files.content import disposition
from shared_code.errors import RangeNotSatisfiable
from shared_code.files.downloads import Conditions, Representation, Span, not_modified, span
from shared_code.files.names import safe_filename

MOMENT = datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)
TEN = Representation("uploads", "id", "0x1", "text/plain", 10, '"abc"', MOMENT, "a.txt")
WHOLE = Span(0, 10, partial=False)


def naive(size: int, header: str) -> list[int] | None | str:
    """The wanted positions by looking at each byte; None for the whole, "416" when there is none."""
    kind, _, ranges = header.partition("=")
    first, dash, last = ranges.partition("-")
    if kind.lower() != "bytes" or not dash or not (first or last):
        return None
    if first and last and int(first) > int(last):
        return None
    if first:
        wanted = [place for place in range(size) if int(first) <= place <= (int(last) if last else size)]
    else:
        wanted = [place for place in range(size) if place >= size - int(last)]
    return wanted or "416"


NUMBERS = st.one_of(st.just(""), st.integers(0, 40).map(str), st.integers(0, 10**30).map(str), st.integers(0, 9).map("000{}".format))


@given(st.integers(1, 30), NUMBERS, NUMBERS, st.sampled_from(["bytes", "Bytes", "items"]))
@example(10, "0", "9" * 5000, "bytes")
@example(10, "9" * 4000, "", "bytes")
def test_single_ranges(size: int, first: str, last: str, unit: str) -> None:
    header = f"{unit}={first}-{last}"
    expected = naive(size, header if len(last) < 4000 else f"{unit}={first}-99")
    if expected == "416":
        with pytest.raises(RangeNotSatisfiable) as caught:
            span(replace(TEN, size=size), Conditions(range=header))
        assert caught.value.size == size
        return
    found = span(replace(TEN, size=size), Conditions(range=header))
    if expected is None:
        assert found == Span(0, size, partial=False)
    else:
        assert found.partial
        assert list(range(found.offset, found.offset + found.length)) == expected


@pytest.mark.parametrize(
    "ignored", ["bytes=0-1,3-4", "bytes=", "bytes=-", "bytes=a-b", "bytes 0-1", "0-1", "bytes=5-2", "bytes=1-2;x", "bytes=٣-٤"]
)
def test_what_is_no_single_range_is_ignored(ignored: str) -> None:
    assert span(TEN, Conditions(range=ignored)) == WHOLE


LAST_MODIFIED = format_datetime(MOMENT.replace(microsecond=0), usegmt=True)
PART = Span(2, 3, partial=True)


@pytest.mark.parametrize(
    ("if_range", "expected"),
    [
        ('"abc"', PART),
        ('W/"abc"', WHOLE),
        ('"other"', WHOLE),
        (LAST_MODIFIED, PART),
        (format_datetime(MOMENT + timedelta(seconds=1), usegmt=True), WHOLE),
        (format_datetime(MOMENT - timedelta(days=1), usegmt=True), WHOLE),
        ("nonsense", WHOLE),
        ("", WHOLE),
    ],
)
def test_if_range(if_range: str, expected: Span) -> None:
    assert span(TEN, Conditions(range="bytes=2-4", if_range=if_range)) == expected


@pytest.mark.parametrize(
    ("tags", "held"),
    [
        ('"abc"', True),
        ('W/"abc"', True),
        ('"x", "abc"', True),
        ("*", True),
        (" * ", True),
        ('"x"', False),
        ("abc", False),
        ("", False),
        ('"a,b"', False),
    ],
)
def test_if_none_match(tags: str, held: bool) -> None:
    assert not_modified(TEN, Conditions(if_none_match=tags)) is held
    # With If-None-Match the date does not matter (RFC 9110, 13.1.3).
    assert not_modified(TEN, Conditions(if_none_match=tags, if_modified_since=LAST_MODIFIED)) is held


@pytest.mark.parametrize(
    ("since", "held"),
    [
        (LAST_MODIFIED, True),
        (format_datetime(MOMENT + timedelta(hours=1), usegmt=True), True),
        (format_datetime(MOMENT - timedelta(seconds=1), usegmt=True), False),
        ("Sunday, 01-Mar-26 12:00:00 GMT", True),
        ("Sun, 01 Mar 2026 12:00:00 -0000", True),
        ("Sun, 01 Mar 2026 12:00:00", True),
        ("nonsense", False),
        ("Thu, 01 Jan 99999999999999999999 00:00:00 GMT", False),
        ("Thu, 01 Jan 2026 00:00:00 +99999999999999999999", False),
        ("Mon, 01 Jan 0000 00:00:00 GMT", False),
        ("", False),
    ],
)
def test_if_modified_since(since: str, held: bool) -> None:
    assert not_modified(TEN, Conditions(if_modified_since=since)) is held


@given(st.text())
def test_no_date_is_an_error(text: str) -> None:
    not_modified(TEN, Conditions(if_modified_since=text))
    span(TEN, Conditions(range="bytes=0-0", if_range=text))


@given(st.text(max_size=120).map(safe_filename))
def test_a_disposition_gives_the_name_back(name: str) -> None:
    header = disposition("attachment", name)
    assert header.isascii()
    assert not re.search(r"[\x00-\x1f]", header)
    message = Message()
    message["Content-Disposition"] = header
    assert message.get_content_disposition() == "attachment"
    extended = re.search(r"filename\*=UTF-8''([!#$&+.^_`|~0-9A-Za-z%-]+)$", header)
    plain = re.search(r'filename="([^"\\]*)"', header)
    assert plain
    assert (unquote(extended[1]) if extended else plain[1]) == name
