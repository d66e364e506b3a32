"""What an address is, and when two are the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_code.emails import cleaned, is_address, literal, normalise
from shared_code.errors import InvalidInput
from shared_code.storage import keys

PAIRS = [
    ("ada@example.com", "Ada@Example.COM"),
    ("ada@example.com", "  ada@example.com\n"),
    ("ada@example.com", "\u00a0ada@example.com\u3000"),
    ("ada@example.com", "ａｄａ＠ｅｘａｍｐｌｅ．ｃｏｍ"),
    ("kelvin@example.com", "\u212aelvin@example.com"),
    ("café@example.com", "cafe\u0301@example.com"),
    ("strasse@example.com", "Straße@example.com"),
    ("file@example.com", "ﬁle@example.com"),
    ("ς@example.com", "Σ@example.com"),
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_the_same_address(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)
    assert cleaned(other) == other.strip()


@pytest.mark.parametrize(
    "other", ["аda@example.com", "ada@exаmple.com", "adа@example.com", "ada@example.co", "ada+1@example.com", "a.da@example.com"]
)
def test_look_alikes_are_other_addresses(other: str) -> None:
    """Cyrillic а is no Latin a: whoever registers one has not taken the other."""
    assert normalise(other) != normalise("ada@example.com")
    assert cleaned(other)


@pytest.mark.parametrize(
    "address",
    [
        "a@b.c", "a@b", "user.name+tag@mail.example.co.uk", "o'brien@example.com", "x" * 64 + "@example.com", "用户@例子.广告",
        "a/b#c?%!@example.com",
        "a@" + "x" * 252,
    ],
)  # fmt: skip
def test_addresses(address: str) -> None:
    assert cleaned(f" {address} ") == address


@pytest.mark.parametrize(
    "address",
    [
        "", " ", "@", "a", "a@", "@b", "a@b@c", "a b@c.d", "a@b c.d", "a@.b", "a@b.", "a@-b", "a@b-", "a..b@c.d", "a@b..c", "a@[127.0.0.1]",
        '"a b"@c.d', "a,b@c.d", "a;b@c.d", "a:b@c.d", "<a@b.c>", "Ada <a@b.c>", "a(comment)@b.c", "a\\b@c.d",
        "a@b.c\r\nBcc: x@y.z", "a\n@b.c", "a\x00@b.c", "a@b.c\x00", "a\x7f@b.c", "a\x85b@c.d", "a\u2028b@c.d",
        "a\u200b@b.c", "a\u202e@b.c", "a\u00ad@b.c", "\ufeffa@b.c", "a\u2066@b.c", "a\ue000@b.c",
        "＜a@b.c＞", "a＠b＠c", "a，b@c.d", "a@b\u2024\u2024c", "a\ufe52\ufe52b@c.d",
        "x" * 65 + "@example.com", "a@" + "x" * 253, "é" * 60 + "@" + "é" * 70, "\ufdfa" * 10 + "@b.c",
    ],
)  # fmt: skip
def test_what_is_none(address: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        cleaned(address)
    assert caught.value.code == "invalid_email"
    assert caught.value.extra["errors"][0]["loc"] == ["body", "email"]


anything = st.text(max_size=300) | st.from_regex(r".{1,66}@[\w.-]{1,260}", fullmatch=True)


@given(anything)
def test_comparing_is_stable(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(anything)
def test_an_address_is_a_key_and_a_header(text: str) -> None:
    """Whatever passes can be looked up in a table, and smuggles nothing into a mail."""
    if is_address(text):
        keys.encode(normalise(text))
        assert not set(cleaned(text) + normalise(text)) & set('\r\n\0 <>,;:"')
        assert is_address(normalise(text))


def test_what_is_too_long_costs_nothing() -> None:
    """Normalising takes the square of a run of marks: a body of 1 MiB would take minutes."""
    hostile = "a" + "\u0300" * 500_000 + "\u0323" * 500_000 + "@example.com"
    assert not is_address(hostile)
    assert len(normalise(hostile)) <= 1000


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("boss@gross.example", " BOSS@Gross.example ", True),
        ("boss@gross.example", "boss@gro\u00df.example", False),
        ("kelvin@example.com", "\u212aelvin@example.com", False),
        ("ada@example.com", "\uff41da@example.com", False),
    ],
)
def test_what_must_not_be_mistaken_is_compared_as_it_is_written(one: str, other: str, same: bool) -> None:
    assert (literal(one) == literal(other)) is same
