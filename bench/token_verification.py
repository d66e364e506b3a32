"""What it costs to know who calls: ``authenticate()`` with a warm session, and with a warm API key, on one core.

    python bench/token_verification.py [calls per round]

In one process, on storage in memory, without HTTP: what every request pays before its own work. The peer is what a service
without sessions does, ``jwt.decode`` of the same ES256 token with the key at hand, in rounds that alternate with ours.
"""

import asyncio
import sys
import time
from typing import Any

from support import banner, median, paired, spread, table, verdict

from functions.authenticator import TokenAuthenticator
from shared_code import ids
from shared_code.auth import keys
from shared_code.auth.models import Client, User
from shared_code.auth.tables import USER_KEY, USERS, user_values
from shared_code.clock import SystemClock
from shared_code.container import Container
from shared_code.settings import load
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.ports import Insert
from tests.unit.apps import start_session

ROUNDS = 9
GOAL = 5000
"""Calls a second, of each kind."""


async def credentials(container: Container) -> tuple[str, str]:
    """An access token and an API key of a new user."""
    client = Client("bench", "192.0.2.1")
    now = container.clock.now()
    user = User(ids.new_id(now), "bench@example.com", None, "user", False, False, False, "", now)
    await container.storage.tables.apply(USERS, user.id, Insert(USER_KEY, user_values(user)))
    tokens = await container.issuer.tokens(user, *await start_session(container.sessions, user.id, client))
    _, key = await container.api_keys.create(user.id, name="bench", scopes=["files"], expires_at=None, client=client)
    return tokens.access_token, key


async def timed(authenticate: Any, presented: str, count: int) -> float:
    """Calls a second of this process's CPU, which is one core's: storage in memory waits for nobody."""
    began = time.process_time()
    for _ in range(count):
        await authenticate(presented)
    return count / (time.process_time() - began)


def timed_peer(token: str, key: keys.VerificationKey, count: int) -> float:
    import jwt

    began = time.process_time()
    for _ in range(count):
        jwt.decode(token, key.key, algorithms=["ES256"], audience="lydian", issuer="lydian")
    return count / (time.process_time() - began)


async def measure(count: int) -> None:
    # The rate's own counting is part of a key's cost; its limit must not be met.
    settings = load({"ENVIRONMENT": "test", "JWT_PRIVATE_KEY": keys.new_pem(), "API_KEY_RATE": "999999/1"})
    container = Container(settings, storage=MemoryStorage(SystemClock()))
    token, key = await credentials(container)
    authenticate, signing = TokenAuthenticator(container).authenticate, (await container.key_store.signing())[0]
    await timed(authenticate, token, 100)
    await timed(authenticate, key, 100)
    rounds = [
        (await timed(authenticate, token, count), await timed(authenticate, key, count), timed_peer(token, signing, count // 10))
        for _ in range(ROUNDS)
    ]
    session, api_key, peer = (list(column) for column in zip(*rounds, strict=True))
    rows = [
        ("access token, warm session", spread(session, 0), f"{GOAL}{'' if median(session) >= GOAL else ', MISSED'}"),
        ("API key, warm", spread(api_key, 0), f"{GOAL}{'' if median(api_key) >= GOAL else ', MISSED'}"),
        ("jwt.decode, ES256", spread(peer, 0), ""),
    ]
    table(("calls a second", "median (lowest–highest)", "goal"), rows)
    verdict("access token / jwt.decode", paired(session, peer), 1.0)
    verdict("API key / jwt.decode", paired(api_key, peer), 1.0)


if __name__ == "__main__":
    banner("Who calls: authenticate() on one core")
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
