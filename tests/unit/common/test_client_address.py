"""Whose address counts, and where the app is reached."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from functions.dependencies import base_url, client_address
from tests.unit.apps import make_app

TRUSTED = make_app(TRUSTED_PROXIES="10.0.0.0/8,2001:db8::/32").web
NOBODY = make_app().web


def request(address: str | None, *forwarded: str, trusting: bool = True) -> Request:
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded] + [(b"host", b"lydian.test:7071")]
    client = (address, 1) if address is not None else None
    scope = {"type": "http", "method": "GET", "path": "/", "scheme": "http", "headers": headers, "client": client, "query_string": b""}
    return Request({**scope, "app": TRUSTED if trusting else NOBODY})


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.1", ["203.0.113.9"], "192.0.2.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.1.1.1", "203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.1.1.1, 203.0.113.9", "10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9:51234"], "203.0.113.9"),
        ("10.0.0.1", ["2001:db9::7"], "2001:db9::7"),
        ("10.0.0.1", ["[2001:db9::7]:443"], "2001:db9::7"),
        ("10.0.0.1", ["[2001:db9::7]"], "2001:db9::7"),
        ("2001:db8::1", ["203.0.113.9"], "203.0.113.9"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["2001:DB9:0:0::7"], "2001:db9::7"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        ("10.0.0.1", ["1.1.1.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1, evil\r\nX: y"], "10.0.0.1"),
        (None, ["203.0.113.9"], ""),
        ("testclient", ["203.0.113.9"], "testclient"),
    ],
)
def test_the_last_hop_that_no_trusted_proxy_wrote(peer: str | None, forwarded: list[str], address: str) -> None:
    assert client_address(request(peer, *forwarded)) == address


def test_without_trusted_proxies_nobody_is_believed() -> None:
    assert client_address(request("10.0.0.1", "203.0.113.9", trusting=False)) == "10.0.0.1"


@given(st.text(st.characters(max_codepoint=255), max_size=40))
def test_whatever_a_stranger_writes_in_front_changes_nothing(text: str) -> None:
    assert client_address(request("10.0.0.1", f"{text},203.0.113.9")) == "203.0.113.9"
    assert client_address(request("10.0.0.1", text, "203.0.113.9")) == "203.0.113.9"


OURS, SEEN = "5a6b7c8d-0000-4000-8000-1c2d3e4f5a6b", "198.51.100.4"
BEHIND_FRONT_DOOR = make_app(FRONT_DOOR_ID=OURS, TRUSTED_PROXIES="10.0.0.0/8").web


@pytest.mark.parametrize(
    ("profile", "seen", "address"),
    [
        (OURS, SEEN, SEEN),
        (OURS, "2001:DB9::7", "2001:db9::7"),
        ("somebody else's", SEEN, "203.0.113.9"),
        ("", SEEN, "203.0.113.9"),
        (OURS + "é", SEEN, "203.0.113.9"),
        (OURS, "nonsense", "203.0.113.9"),
    ],
)
def test_our_own_front_door_says_whom_it_saw(profile: str, seen: str, address: str) -> None:
    asked = request("10.0.0.1", "203.0.113.9")
    asked.scope["app"] = BEHIND_FRONT_DOOR
    asked.scope["headers"] += [(b"x-azure-fdid", profile.encode("latin-1")), (b"x-azure-socketip", seen.encode())]
    assert client_address(asked) == address


def test_no_front_door_is_ours_unless_it_is_named() -> None:
    asked = request("10.0.0.1", "203.0.113.9")
    asked.scope["headers"] += [(b"x-azure-fdid", b""), (b"x-azure-socketip", SEEN.encode())]
    assert client_address(asked) == "203.0.113.9"


async def test_the_base_url() -> None:
    assert await base_url(request("192.0.2.1")) == "http://lydian.test:7071"
