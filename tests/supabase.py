"""A Supabase project as our app sees it: a JWKS over real HTTP, and tokens signed with its keys."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
from aiohttp import web

from shared_code.auth import keys
from shared_code.auth.keys import SigningKey
from shared_code.clock import Clock

JWKS_PATH = "/auth/v1/.well-known/jwks.json"


def new_key() -> SigningKey:
    return keys.from_pem(keys.new_pem())[0]


class Project:
    """``keys`` are published, the first one signs. ``status`` and ``body`` replace that answer, ``gate`` holds it back."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.url, self.clock = url, clock
        self.keys = [new_key()]
        self.asked = 0
        self.status = 200
        self.body: bytes | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    @property
    def issuer(self) -> str:
        return f"{self.url}/auth/v1"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        await self.gate.wait()
        body = json.dumps({"keys": [dict(key.jwk) for key in self.keys]}).encode() if self.body is None else self.body
        return web.Response(status=self.status, body=body, headers={"Location": "/elsewhere"} if self.status == 302 else None)

    async def serve_elsewhere(self, request: web.Request) -> web.StreamResponse:
        """Where a 302 leads: to the same keys, which must not be taken from there."""
        return web.json_response({"keys": [dict(key.jwk) for key in self.keys]})

    def claims(self, **changed: Any) -> dict[str, Any]:
        """As https://supabase.com/docs/guides/auth/jwt-fields lists them; None leaves one out."""
        now = int(self.clock.now().timestamp())
        claims = {
            "iss": self.issuer,
            "aud": "authenticated",
            "sub": str(uuid.uuid4()),
            "iat": now,
            "exp": now + 3600,
            "role": "authenticated",
            "aal": "aal1",
            "session_id": str(uuid.uuid4()),
            "email": "ada@example.com",
            "phone": "",
            "is_anonymous": False,
            "app_metadata": {"provider": "email", "role": "admin"},
            "user_metadata": {"email_verified": True, "role": "admin"},
        }
        return {name: value for name, value in {**claims, **changed}.items() if value is not None}

    def token(self, key: SigningKey | None = None, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        key = key or self.keys[0]
        return jwt.encode(self.claims(**claims), key.private, algorithm=key.algorithm, headers={"kid": key.kid, **(header or {})})


@asynccontextmanager
async def supabase(clock: Clock) -> AsyncIterator[Project]:
    project, app = Project("", clock), web.Application()
    app.router.add_get(JWKS_PATH, project.serve)
    app.router.add_get("/elsewhere", project.serve_elsewhere)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    project.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield project
    finally:
        project.gate.set()
        await runner.cleanup()
