import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_code.files.sniff import HEAD_BYTES, TextCheck, sniff
from tests import images


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    body = b"ftyp" + major + b"\0\0\2\0" + b"".join(compatible)
    return (len(body) + 4).to_bytes(4, "big") + body + b"\0\0\0\x08free"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (images.jpeg(images.photo(20, 20)), "image/jpeg"),
        (images.encoded(images.photo(20, 20), "PNG"), "image/png"),
        (images.animation("GIF", 20, 20, 2), "image/gif"),
        (b"GIF87a" + bytes(20), "image/gif"),
        (images.encoded(images.photo(20, 20), "WEBP"), "image/webp"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "application/pdf"),
        (b"%PDF-2.0\r\n", "application/pdf"),
        (ftyp(b"isom", b"isom", b"iso2", b"avc1", b"mp41"), "video/mp4"),
        (ftyp(b"mp42"), "video/mp4"),
        (ftyp(b"M4V ", b"M4V ", b"mp42"), "video/mp4"),
        (ftyp(b"iso5", b"dash"), "video/mp4"),
        (ftyp(b"XYZW", b"mp42"), "video/mp4"),
        (b"\xff\xd8\xff<html><script>alert(1)</script>", "image/jpeg"),
        (b"GIF89a/*<script>alert(1)</script>*/", "image/gif"),
    ],
)
def test_known_types(head: bytes, kind: str) -> None:
    assert sniff(head) == kind
    assert sniff(head + bytes(HEAD_BYTES)) == kind


@pytest.mark.parametrize(
    "head",
    [
        *(
            b"",
            b"hello",
            b"\xff\xd8",
            b"GIF88a",
            b"\n%PDF-1.7",
            b" %PDF-1.7",
            b"%PDF-x",
            b"%PDF",
            b"RIFF\0\0\0\0WAVE",
            b"MZ\x90\0",
            b"PK\3\4",
        ),
        *(ftyp(b"qt  "), ftyp(b"qt  ", b"qt  ", b"mp42"), ftyp(b"heic", b"mif1", b"heic"), ftyp(b"avif", b"avif", b"mif1", b"isom")),
        *(ftyp(b"XYZW"), ftyp(b"M4A ", b"M4A ", b"mp42"), b"\0\0\0\x08ftyp", b"\0\0\0\x17ftypisom" + bytes(20), b"<svg/>", b"II*\0"),
    ],
)
def test_everything_else_is_unknown(head: bytes) -> None:
    assert sniff(head) is None


@given(st.binary(max_size=200))
def test_bytes_behind_the_head_change_nothing(tail: bytes) -> None:
    head = bytes(HEAD_BYTES)
    assert sniff(head + tail) == sniff(head)


def checked(*chunks: bytes) -> bool:
    check = TextCheck()
    for chunk in chunks:
        check.feed(chunk)
    return check.finish()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "<",
        "Grüße, 世界 🌍\n",
        "tab\tlf\ncr\rff\f",
        "\ufeffwith a BOM",
        "a < b",
        "<3",
        "< html>",
        "  \n",
        "1 <!-- 2",
        "{}<html>",
    ],
)
def test_plain_text(text: str) -> None:
    data = text.encode()
    assert checked(data)
    assert checked(*(data[i : i + 1] for i in range(len(data))))


@pytest.mark.parametrize(
    "data",
    [
        *(
            b"\x00",
            b"a\x07b",
            b"esc\x1b[31m",
            b"\x7f",
            "c1 \x85".encode(),
            b"\x0b",
            b"\xff\xfeh\0i\0",
            b"\xc3",
            b"\xed\xa0\x80",
            b"\xc0\xaf",
            b"\xe4",
        ),
        *(
            b"<!doctype html>",
            b"<html>",
            b"<svg>",
            b"<?xml?>",
            b"<script>",
            b"<!-- x -->",
            b"<b>",
            b"</p>",
            b"<A HREF=x>",
            b" \r\n\t\f<html>",
        ),
        *(b"\xef\xbb\xbf<html>", b"\xef\xbb\xbf \n<?xml version='1.0'?><svg/>"),
    ],
)
def test_what_is_no_plain_text(data: bytes) -> None:
    assert not checked(data)
    assert not checked(*(data[i : i + 1] for i in range(len(data))))


def test_refused_is_known_early() -> None:
    check = TextCheck()
    check.feed(b"fine so far")
    assert not check.refused
    check.feed(b"\0")
    assert check.refused
    check.feed(b"fine again")
    assert not check.finish()


pieces = st.one_of(
    st.binary(max_size=12), st.text(max_size=12).map(str.encode), st.sampled_from([b"<", b"<h", b"\xef\xbb\xbf", b" ", b"\n", b"\xe4\xb8"])
)


@given(st.lists(pieces, max_size=8), st.lists(st.integers(0, 60), max_size=6))
def test_where_chunks_are_cut_changes_nothing(parts: list[bytes], places: list[int]) -> None:
    data = b"".join(parts)
    borders = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    assert checked(*(data[start:end] for start, end in itertools.pairwise(borders))) == checked(data)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n\r\f")))
def test_all_text_without_controls_and_markup_is_plain(text: str) -> None:
    assert checked(b"text: " + text.encode())
