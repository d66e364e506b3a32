"""Which of the three checks a credential gets, what it costs, and how keys come and go across apps."""

import httpx
import jwt
import pytest

from functions.authenticator import TokenAuthenticator
from shared_code.auth import keys
from shared_code.auth.key_store import KeyStore
from shared_code.auth.tokens import KEYS_MAX_AGE, REFETCH_AFTER
from shared_code.errors import Unauthenticated
from shared_code.web.callers import Caller
from tests.supabase import supabase
from tests.unit.apps import App, bearer, make_app, me, register, until

OLD, NEW = keys.new_pem(), keys.new_pem()


async def test_a_session_a_key_and_a_token_of_supabase() -> None:
    app = make_app()
    async with supabase(app.clock) as project, app.client() as client:
        app = app.sibling(SUPABASE_URL=project.url)
        authenticate = TokenAuthenticator(app.container).authenticate
        account = await register(client)
        session = await authenticate(account["access_token"])
        assert (session.user_id, session.role, session.scopes, session.key_id) == (account["user"]["id"], "user", None, None)
        body = {"name": "k", "scopes": ["ai", "files"]}
        made = (await client.post("/api/auth/keys", json=body, headers=bearer(account["access_token"]))).json()
        assert await authenticate(made["key"]) == Caller(session.user_id, "user", key_id=made["id"], scopes=frozenset({"ai", "files"}))
        guest = await authenticate(project.token())
        assert guest == Caller(guest.user_id, "user")
        assert guest.user_id != session.user_id


async def test_what_is_warm_asks_no_storage() -> None:
    app = make_app(API_KEY_RATE="off")
    async with supabase(app.clock) as project:
        app = app.sibling(SUPABASE_URL=project.url, API_KEY_RATE="off")
        async with app.client() as client:
            token = (await register(client))["access_token"]
            key = (await client.post("/api/auth/keys", json={"name": "k", "scopes": ["ai"]}, headers=bearer(token))).json()["key"]
        app.container.api_keys.note_after = 0
        authenticate, presented = TokenAuthenticator(app.container).authenticate, (token, key, project.token())
        users = [(await authenticate(credentials)).user_id for credentials in presented]
        await until(lambda: not app.container.api_keys._notes)
        app.tables.calls.clear()
        for seconds in (4.9, 0.1, 4.9, 60, 400):
            app.clock.advance(seconds)
            for credentials in presented[:1] + presented[2:]:
                await authenticate(credentials)
        assert app.tables.calls == ["query notices"] * 3, "one call for all of them, after five seconds each"
        await authenticate(key)
        await until(lambda: not app.container.api_keys._notes)
        assert app.tables.calls[3:] == ["write users"], "when it was used, noted behind the request"
        app.tables.calls.clear()
        for user_id in users[1:]:
            await app.container.notices.post(user_id)
        app.clock.advance(5)
        for credentials in presented:
            await authenticate(credentials)
        assert app.tables.calls.count("get users") == 4, "there was notice: of a session, of a key and its user, of a user"


@pytest.mark.parametrize("credentials", ["lyd", "LYD_x", "lyr_x", "x"])
async def test_anything_else_is_taken_for_a_token(credentials: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await TokenAuthenticator(make_app().container).authenticate(credentials)
    assert caught.value.code == "invalid_token"


# --- what a gateway and the other apps see of a rotation -------------------------------------------------------------


async def kids(client: httpx.AsyncClient) -> list[str]:
    return [key["kid"] for key in (await client.get("/.well-known/jwks.json")).json()["keys"]]


async def restarted(app: App, pems: str) -> App:
    """The auth app with other keys; it publishes them when it is first asked for one."""
    fresh = app.sibling(SERVICES="auth", JWT_PRIVATE_KEY=pems)
    async with fresh.client() as client:
        await kids(client)
    return fresh


async def test_a_rotation_step_by_step() -> None:
    """The order of docs/guides/gateway.md: published, signing, withdrawn. No token is refused before its key is withdrawn."""
    old, new = (keys.from_pem(text)[0].kid for text in (OLD, NEW))
    auth = make_app(SERVICES="auth", JWT_PRIVATE_KEY=OLD)
    files = auth.sibling(SERVICES="files", JWT_PRIVATE_KEY="")

    async def works(token: str) -> bool:
        async with files.client() as client:
            return (await client.get("/api/files", headers=bearer(token))).status_code == 200

    async def token_of(app: App) -> str:
        async with app.client() as client:
            return str((await register(client))["access_token"])

    first = await token_of(auth)
    assert await works(first)

    auth = await restarted(auth, OLD + NEW)
    async with auth.client() as client:
        assert await kids(client) == [old, new]
    assert jwt.get_unverified_header(await token_of(auth))["kid"] == old

    auth.clock.advance(REFETCH_AFTER.total_seconds() + 0.1)
    auth = await restarted(auth, NEW + OLD)
    second = await token_of(auth)
    assert jwt.get_unverified_header(second)["kid"] == new
    assert await works(second), "at once"
    assert await works(first)

    auth = await restarted(auth, NEW)
    async with auth.client() as client:
        assert await kids(client) == [new]
        assert (await me(client, first)).status_code == 401
    assert await works(second)
    auth.clock.advance(KEYS_MAX_AGE.total_seconds() + 0.1)
    assert not await works(first)
    assert await works(second)


async def test_what_a_gateway_reads_is_small_talk() -> None:
    app = make_app(PUBLIC_BASE_URL="https://api.contoso.com", JWT_PRIVATE_KEY=NEW)
    async with app.client() as client:
        for path in ("/.well-known/jwks.json", "/.well-known/openid-configuration"):
            first = await client.get(path)
            tag = first.headers["etag"]
            assert first.headers["cache-control"] == "public, max-age=300"
            for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
                again = await client.get(path, headers={"If-None-Match": known})
                assert (again.status_code, again.content) == (304, b"")
                assert (again.headers["etag"], again.headers["cache-control"]) == (tag, "public, max-age=300")
            assert (await client.get(path, headers={"If-None-Match": '"x"'})).status_code == 200
            head = await client.head(path)
            assert (head.status_code, head.headers["etag"], head.content) == (200, tag, b"")
        before = (await client.get("/.well-known/jwks.json")).headers["etag"]
    async with app.sibling(JWT_PRIVATE_KEY=NEW + OLD).client() as client:
        assert (await client.get("/.well-known/jwks.json", headers={"If-None-Match": before})).status_code == 200


@pytest.mark.parametrize("environ", [{"PUBLIC_BASE_URL": "https://api.contoso.com/"}, {"JWT_ISSUER": "https://id.contoso.com"}, {}])
async def test_the_documents_issuer_is_the_tokens(environ: dict[str, str]) -> None:
    """Azure API Management compares the two as text."""
    app = make_app(**environ)
    async with app.client() as client:
        found = (await client.get("/.well-known/openid-configuration")).json()
        token = (await register(client))["access_token"]
    assert jwt.decode(token, options={"verify_signature": False})["iss"] == found["issuer"]
    assert found["jwks_uri"].endswith("/.well-known/jwks.json")


async def test_public_keys_and_nothing_private() -> None:
    app = make_app(JWT_PRIVATE_KEY=NEW)
    published = await KeyStore(app.container.settings, app.storage.blobs).jwks()
    assert not {"d", "p", "q", "k"} & {name for key in published["keys"] for name in key}
