"""An authenticator app: what a person has in hand, written from RFC 6238 and not with the code that it tests."""

import base64
import hmac
import struct
from typing import Any

import httpx

from shared_code.clock import Clock
from tests.unit.apps import App, bearer, login, register

EMAIL = "ada@example.com"


def code(secret: str, clock: Clock, steps: int = 0) -> str:
    counter = struct.pack(">Q", int(clock.now().timestamp() // 30) + steps)
    digest = hmac.new(base64.b32decode(secret), counter, "sha1").digest()
    start = digest[19] & 0xF
    number = struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFFFFFF
    return str(number)[-6:].zfill(6)


def wrong(secret: str, clock: Clock, which: int = 0) -> str:
    """A code that is none of those around now."""
    near = {code(secret, clock, steps) for steps in range(-3, 4)}
    return [f"{n:06}" for n in range(100) if f"{n:06}" not in near][which]


async def enrolled(app: App, client: httpx.AsyncClient, email: str = EMAIL) -> tuple[str, list[str], dict[str, str]]:
    """A fresh account with a second factor: its secret, its recovery codes and a session's header. Its next code is unused."""
    headers = bearer((await register(client, email))["access_token"])
    secret = (await client.post("/api/auth/mfa/totp", headers=headers)).json()["secret"]
    answer = await client.post("/api/auth/mfa/totp/confirm", json={"code": code(secret, app.clock)}, headers=headers)
    assert answer.status_code == 200, answer.text
    app.clock.advance(30)
    return secret, answer.json()["recovery_codes"], headers


async def mfa_token(client: httpx.AsyncClient, email: str = EMAIL) -> str:
    answer = await login(client, email)
    assert (answer.status_code, answer.json()["code"]) == (401, "mfa_required"), answer.text
    token: str = answer.json()["mfa_token"]
    return token


async def second(client: httpx.AsyncClient, token: str, typed: str) -> httpx.Response:
    return await client.post("/api/auth/login/mfa", json={"mfa_token": token, "code": typed})


async def both(client: httpx.AsyncClient, typed: str, email: str = EMAIL) -> httpx.Response:
    return await second(client, await mfa_token(client, email), typed)


def outcome(answer: httpx.Response) -> Any:
    return answer.json().get("code", answer.status_code)
