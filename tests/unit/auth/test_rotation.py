"""Several keys, other apps, and keys that come and go."""

import asyncio
import json

import httpx
import jwt
import pytest

from shared_code.auth import keys
from shared_code.auth.key_store import JWKS_BLOB, SYSTEM_CONTAINER
from shared_code.auth.tokens import TokenVerifier, sign
from shared_code.clock import ManualClock
from shared_code.errors import Unauthenticated
from tests.unit.apps import App, bearer, make_app, me, register, signing_pem, until

OLD, NEW = keys.new_pem(), keys.new_pem()
SECRET = "a shared secret of 32 bytes or more"


async def files(app: App, token: str) -> httpx.Response:
    async with app.client() as client:
        return await client.get("/api/files", headers=bearer(token))


async def token_of(app: App) -> str:
    async with app.client() as client:
        return str((await register(client))["access_token"])


def kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def test_the_first_signs_and_all_verify() -> None:
    before = make_app(JWT_PRIVATE_KEY=OLD)
    old = await token_of(before)
    during = before.sibling(JWT_PRIVATE_KEY=NEW + OLD)
    new = await token_of(during)
    assert (kid(old), kid(new)) == (keys.from_pem(OLD)[0].kid, keys.from_pem(NEW)[0].kid)
    async with during.client() as client:
        assert (await me(client, old)).status_code == (await me(client, new)).status_code == 200
    async with before.sibling(JWT_PRIVATE_KEY=NEW).client() as client:
        assert (await me(client, old)).json()["code"] == "invalid_token"
        assert (await me(client, new)).status_code == 200


async def test_hs256_only_where_no_key_is_set() -> None:
    plain = make_app(JWT_SECRET=SECRET)
    token = await token_of(plain)
    async with plain.sibling(JWT_SECRET=SECRET, JWT_PRIVATE_KEY=NEW).client() as client:
        assert (await me(client, token)).status_code == 401
        assert jwt.get_unverified_header((await register(client))["access_token"])["alg"] == "ES256"


async def test_a_split_deployment_verifies_by_what_auth_published() -> None:
    auth = make_app(SERVICES="auth", JWT_PRIVATE_KEY=NEW)
    alone = auth.sibling(SERVICES="files", JWT_PRIVATE_KEY="")
    forged = await token_of(make_app(JWT_PRIVATE_KEY=NEW))
    assert (await files(alone, forged)).json()["code"] == "invalid_token", "auth has signed nothing yet"
    token = await token_of(auth)
    auth.clock.advance(10.1)
    assert (await files(alone, token)).status_code == 200
    async with alone.client() as client:
        assert (await client.get("/.well-known/jwks.json")).status_code == 404


async def test_a_split_app_never_overwrites_what_auth_published() -> None:
    """It may have the same key, an older one, or only an HS256 secret."""
    auth = make_app(SERVICES="auth", JWT_PRIVATE_KEY=NEW)
    token = await token_of(auth)
    for environ in ({"JWT_PRIVATE_KEY": NEW}, {"JWT_PRIVATE_KEY": OLD}, {"JWT_SECRET": SECRET}):
        assert (await files(auth.sibling(SERVICES="files", **environ), token)).status_code == 200
    read = await auth.storage.blobs.read(SYSTEM_CONTAINER, JWKS_BLOB)
    published = json.loads(b"".join([chunk async for chunk in read.chunks]))
    assert [key["kid"] for key in published["keys"]] == [kid(token)]


async def test_a_split_deployment_with_a_shared_secret() -> None:
    auth = make_app(SERVICES="auth", JWT_SECRET=SECRET)
    token = await token_of(auth)
    assert (await files(auth.sibling(SERVICES="files", JWT_SECRET=SECRET), token)).status_code == 200
    assert (await files(auth.sibling(SERVICES="files", JWT_PRIVATE_KEY=""), token)).status_code == 401


async def test_what_is_published_and_not_for_us_is_passed_over() -> None:
    ours = keys.from_pem(NEW)[0]
    document = {"keys": [{"kty": "oct", "kid": "x", "alg": "HS256", "k": "AAAA"}, {"kty": "EC", "alg": "ES256"}, dict(ours.jwk)]}
    assert [key.kid for key in keys.from_jwks(document)] == [ours.kid]
    assert keys.from_jwks({}) == []


class Source:
    """Where a verifier finds keys: they come, go, and are counted."""

    def __init__(self, *pems: str) -> None:
        self.keys = [key for text in pems for key in keys.from_pem(text)]
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> list[keys.SigningKey]:
        self.asked += 1
        await self.gate.wait()
        return self.keys


class Rig:
    def __init__(self, *pems: str) -> None:
        self.clock, self.source = ManualClock(), Source(*pems)
        self.verifier = TokenVerifier(self.source, issuer="i", audience="a", clock=self.clock)

    def token(self, text: str) -> str:
        key = keys.from_pem(text)[0]
        return sign(key, issuer="i", audience="a", user_id="u", session_id="s", role="user", now=self.clock.now())

    async def accepts(self, token: str) -> bool:
        try:
            await self.verifier.verify(token)
        except Unauthenticated:
            return False
        return True


async def test_a_new_key_is_found_within_ten_seconds() -> None:
    rig = Rig(OLD)
    assert await rig.accepts(rig.token(OLD))
    rig.source.keys += keys.from_pem(NEW)
    assert not await rig.accepts(rig.token(NEW))
    rig.clock.advance(10.1)
    assert await rig.accepts(rig.token(NEW))


async def test_unknown_keys_cannot_make_us_ask_all_the_time() -> None:
    rig = Rig(OLD)
    for _ in range(20):
        assert not await rig.accepts(rig.token(NEW))
    assert rig.source.asked == 1
    rig.clock.advance(11)
    rig.source.gate.clear()
    waiting = [asyncio.ensure_future(rig.accepts(rig.token(NEW))) for _ in range(20)]
    await until(lambda: rig.source.asked == 2)
    rig.source.gate.set()
    assert not any(await asyncio.gather(*waiting))
    assert rig.source.asked == 2


async def test_a_withdrawn_key_takes_its_tokens_along() -> None:
    """Also those that were verified before, at the latest after five minutes."""
    rig = Rig(NEW, OLD)
    old, new = rig.token(OLD), rig.token(NEW)
    assert await rig.accepts(old)
    assert await rig.accepts(new)
    rig.source.keys = keys.from_pem(NEW)
    rig.clock.advance(300)
    assert await rig.accepts(old)
    rig.clock.advance(1)
    assert not await rig.accepts(old)
    assert await rig.accepts(new)


async def test_fifteen_minutes() -> None:
    rig = Rig(NEW)
    token = rig.token(NEW)
    for seconds in (0, 899):
        rig.clock.advance(seconds)
        assert await rig.accepts(token)
    rig.clock.advance(1)
    with pytest.raises(Unauthenticated) as caught:
        await rig.verifier.verify(token)
    assert caught.value.code == "token_expired"
    assert not await rig.accepts(token), "nor when it is seen for the first time"


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared_code.auth.tokens.REMEMBERED", 3)
    rig = Rig(signing_pem())
    for _ in range(6):
        assert await rig.accepts(rig.token(signing_pem()))
    assert len(rig.verifier._known) == 3
