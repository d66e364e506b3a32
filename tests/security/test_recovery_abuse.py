"""Stolen links, tokens and sessions: each works once, for its purpose, and for nobody who came before its owner."""

import asyncio
import json

import httpx

from shared_code.auth import totp
from tests.security.postman import Postman, with_postman
from tests.unit.apps import PASSWORD, App, bearer, login, make_app, me, refresh, register

EMAIL = "ada@example.com"
GUESS = "not the password at all"


# --- replay ---


async def test_a_reset_link_works_once_and_ends_every_session(app: App, client: httpx.AsyncClient, postman: Postman) -> None:
    tokens = await register(client, EMAIL)
    await client.post("/api/auth/forgot-password", json={"email": EMAIL})
    await app.settled()
    token = postman.token("reset_password")
    changes = [{"token": token, "password": f"a new password {n}"} for n in range(6)]
    answers = await asyncio.gather(*(client.post("/api/auth/reset-password", json=change) for change in changes))
    assert sorted(answer.status_code for answer in answers) == [204] + [400] * 5
    winner = [answer.status_code for answer in answers].index(204)
    assert (await me(client, tokens["access_token"])).status_code == 401
    assert (await refresh(client, tokens["refresh_token"])).status_code == 401
    assert (await login(client, EMAIL, f"a new password {winner}")).status_code == 200
    assert (await login(client, EMAIL)).status_code == 401
    again = await client.post("/api/auth/reset-password", json=changes[0])
    assert (again.status_code, again.json()["code"]) == (400, "invalid_token")


async def test_an_older_link_dies_with_a_newer_one_that_was_used(app: App, client: httpx.AsyncClient, postman: Postman) -> None:
    await register(client, EMAIL)
    links = []
    for _ in range(2):
        await client.post("/api/auth/forgot-password", json={"email": EMAIL})
        await app.settled()
        links.append(postman.token("reset_password"))
    for link, status in ((links[1], 204), (links[0], 400)):
        answer = await client.post("/api/auth/reset-password", json={"token": link, "password": "another one entirely"})
        assert answer.status_code == status


async def test_a_link_is_for_its_purpose_only(app: App, client: httpx.AsyncClient, postman: Postman) -> None:
    await register(client, EMAIL)
    await client.post("/api/auth/forgot-password", json={"email": EMAIL})
    await app.settled()
    reset, verify = postman.token("reset_password"), postman.token("verify_email")
    assert (await client.post("/api/auth/verify-email", json={"token": reset})).status_code == 400
    assert (await client.post("/api/auth/reset-password", json={"token": verify, "password": "a new password"})).status_code == 400
    for token in (reset, verify):
        assert (await me(client, token)).status_code == 401
        assert (await refresh(client, token)).status_code == 401


async def test_a_stolen_refresh_token_ends_what_it_was_stolen_from(app: App, client: httpx.AsyncClient) -> None:
    victim = await register(client, EMAIL)
    stolen = victim["refresh_token"]
    moved_on = (await refresh(client, stolen)).json()
    app.clock.advance(11)
    thief = await refresh(client, stolen, "another browser")
    assert thief.status_code == 401
    assert (await me(client, moved_on["access_token"])).status_code == 401, "at once here"
    assert (await refresh(client, moved_on["refresh_token"])).status_code == 401


async def test_the_reset_link_follows_no_forged_host() -> None:
    app = make_app(PUBLIC_BASE_URL="https://api.example.com")
    postman = with_postman(app)
    async with app.client(headers={"Host": "evil.example"}) as mallory:
        await register(mallory, EMAIL)
        await mallory.post("/api/auth/forgot-password", json={"email": EMAIL}, headers={"X-Forwarded-Host": "evil.example"})
        await app.settled()
    links = [mail.values["link"] for mail in postman.mails if "link" in mail.values]
    assert len(links) == 2
    assert all(link.startswith("https://api.example.com/") for link in links)


# --- fixation ---


async def test_no_session_survives_into_the_next_sign_in(client: httpx.AsyncClient) -> None:
    """Whatever an attacker has planted, signing in makes a session of its own: nothing of a request becomes its id."""
    planted = await register(client, "mallory@example.com")
    headers = {**bearer(planted["access_token"]), "Cookie": f"session={planted['refresh_token']}"}
    victim = await client.post("/api/auth/register", json={"email": EMAIL, "password": PASSWORD}, headers=headers)
    again = await login(client, EMAIL, **headers)
    sids = {json.dumps(tokens["access_token"].split(".")[1]) for tokens in (planted, victim.json(), again.json())}
    refreshes = {tokens["refresh_token"].rpartition(".")[0] for tokens in (planted, victim.json(), again.json())}
    assert len(sids) == len(refreshes) == 3
    assert "set-cookie" not in again.headers
    assert (await me(client, planted["access_token"])).json()["email"] == "mallory@example.com"


async def test_who_set_an_account_up_before_its_owner_keeps_no_door(app: App, client: httpx.AsyncClient, postman: Postman) -> None:
    """Pre-hijacking: Mallory registers Ada's address; Ada, who has the mailbox, sets a password by its link."""
    planted = await register(client, EMAIL)
    key = await client.post("/api/auth/keys", json={"name": "door", "scopes": ["files"]}, headers=bearer(planted["access_token"]))
    assert key.status_code == 201
    await client.post("/api/auth/forgot-password", json={"email": EMAIL})
    await app.settled()
    answer = await client.post(
        "/api/auth/reset-password", json={"token": postman.token("reset_password"), "password": "only Ada knows this"}
    )
    assert answer.status_code == 204
    app.clock.advance(6)
    assert (await refresh(client, planted["refresh_token"])).status_code == 401
    assert (await client.get("/api/files", headers=bearer(key.json()["key"]))).status_code == 401
    tokens = (await login(client, EMAIL, "only Ada knows this")).json()
    assert tokens["user"]["email_verified"]


async def test_a_session_that_has_just_ended_elsewhere_opens_no_lasting_door(app: App, client: httpx.AsyncClient) -> None:
    """Another instance may take the stolen session for live for five seconds more: what outlives sessions is refused at once."""
    stolen = bearer((await register(client, EMAIL))["access_token"])
    other = app.sibling()
    async with other.client() as mallory:
        secret = (await mallory.post("/api/auth/mfa/totp", headers=stolen)).json()["secret"]
        await client.delete("/api/auth/sessions", headers=bearer((await login(client, EMAIL)).json()["access_token"]))
        assert (await mallory.get("/api/auth/me", headers=stolen)).status_code == 200, "it is remembered there, as it may be"
        key = await mallory.post("/api/auth/keys", json={"name": "door", "scopes": ["files"]}, headers=stolen)
        code = totp.code_at(secret, totp.step_of(app.clock.now()))
        factor = await mallory.post("/api/auth/mfa/totp/confirm", json={"code": code}, headers=stolen)
        for answer in (key, factor):
            assert (answer.status_code, answer.json()["code"]) == (401, "session_ended")
    fresh = bearer((await login(client, EMAIL)).json()["access_token"])
    assert (await client.get("/api/auth/keys", headers=fresh)).json()["items"] == []
    assert not (await client.get("/api/auth/me", headers=fresh)).json()["mfa_enabled"]


async def test_nobody_uses_up_the_mails_of_an_address_by_registering_it_first() -> None:
    """Where accounts begin with a link, the owner's own registration is mailed too, however often Mallory has tried before."""
    app = make_app(AUTH_REQUIRE_VERIFIED_EMAIL="true")
    postman = with_postman(app)
    async with app.client(address="203.0.113.66") as mallory, app.client(address="192.0.2.7") as ada:
        for n in range(9):
            await mallory.post("/api/auth/register", json={"email": EMAIL, "password": f"of Mallory's choice {n}"})
        await app.settled()
        assert len(postman.mails) == 5
        assert (await ada.post("/api/auth/register", json={"email": EMAIL, "password": PASSWORD})).status_code == 202
        await app.settled()
        assert [mail.values["address"] for mail in postman.mails] == ["203.0.113.66"] * 5 + ["192.0.2.7"]
        assert (await ada.post("/api/auth/verify-email", json={"token": postman.token("verify_email")})).status_code == 200
        assert (await login(ada, EMAIL)).status_code == 200
        assert (await login(mallory, EMAIL, "of Mallory's choice 0")).status_code == 401


async def test_an_address_that_only_folds_to_an_administrators_is_none() -> None:
    app = make_app(ENVIRONMENT="local", ADMIN_EMAILS="boss@gross.example")
    async with app.client() as client:
        assert (await register(client, "boss@gro\u00df.example"))["user"]["role"] == "user"
    async with make_app(ENVIRONMENT="local", ADMIN_EMAILS="boss@gross.example").client() as client:
        assert (await register(client, "Boss@Gross.example"))["user"]["role"] == "admin"
