"""Attacks on Supabase's tokens: each is 401, makes no account, and asks nobody but the project for keys."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from shared_code.auth import keys
from shared_code.auth.tables import USERS
from shared_code.clock import ManualClock
from tests.supabase import Project, new_key, supabase
from tests.unit.apps import App, bearer, make_app, me


def encode(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def pem(private: Any) -> str:
    return str(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


class Target:
    def __init__(self, app: App, project: Project, client: httpx.AsyncClient) -> None:
        self.app, self.project, self.client = app, project, client

    def signed(self, claims: Any, **header: Any) -> str:
        """Any payload, signed with the right key."""
        key = self.project.keys[0]
        signing = f"{encode({'alg': key.algorithm, 'kid': key.kid, 'typ': 'JWT', **header})}.{encode(claims)}"
        algorithm: Any = jwt.get_algorithm_by_name(key.algorithm)
        return f"{signing}.{encode(algorithm.sign(signing.encode(), key.private))}"

    async def accepts(self, token: str) -> bool:
        return (await me(self.client, token)).status_code == 200

    async def refuses(self, token: str, code: str = "invalid_token") -> None:
        answer = await me(self.client, token)
        assert (answer.status_code, answer.json()["code"]) == (401, code), answer.text
        assert answer.headers["www-authenticate"] == "Bearer"
        assert await self.app.storage.tables.query(USERS) == [], "nobody came into being"


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    clock = ManualClock()
    async with supabase(clock) as project:
        app = make_app(clock=clock, SUPABASE_URL=project.url)
        async with app.client() as client:
            yield Target(app, project, client)


async def test_the_control(target: Target) -> None:
    assert await target.accepts(target.signed(target.project.claims()))
    assert await target.accepts(target.signed(target.project.claims(aud=["other", "authenticated"], nbf=0)))


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "", None, 7])
async def test_no_signature(target: Target, algorithm: Any) -> None:
    header = {"alg": algorithm, "kid": target.project.keys[0].kid}
    await target.refuses(f"{encode(header)}.{encode(target.project.claims())}.")
    await target.refuses(f"{encode(header)}.{encode(target.project.claims())}.{encode(b'x' * 64)}")


async def test_the_public_key_as_an_hmac_secret(target: Target) -> None:
    key = target.project.keys[0]
    published = json.dumps({"keys": [dict(key.jwk)]}).encode()
    texts = [key.key.public_bytes(form, PublicFormat.SubjectPublicKeyInfo) for form in (Encoding.PEM, Encoding.DER)]
    for secret in (*texts, texts[0].strip(), published, json.dumps(dict(key.jwk)).encode(), key.kid.encode(), b""):
        signing = f"{encode({'alg': 'HS256', 'kid': key.kid})}.{encode(target.project.claims())}"
        await target.refuses(f"{signing}.{encode(hmac.new(secret, signing.encode(), hashlib.sha256).digest())}")


async def test_a_symmetric_key_among_the_published_ones(target: Target) -> None:
    """A project's legacy secret must not become a key by being listed."""
    secret = b"s" * 32
    jwks = [{"kty": "oct", "kid": "old", "alg": "HS256", "k": encode(secret)}, dict(target.project.keys[0].jwk)]
    target.project.body = json.dumps({"keys": jwks}).encode()
    await target.refuses(jwt.encode(target.project.claims(), secret, "HS256", {"kid": "old"}))


async def test_weak_and_odd_keys_verify_nothing(target: Target) -> None:
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505  # that is the point
    numbers = weak.public_key().public_numbers()
    jwk: dict[str, Any] = {"kty": "RSA", "n": encode(numbers.n.to_bytes(128, "big")), "e": "AQAB", "alg": "RS256", "kid": "weak"}
    p384 = ec.generate_private_key(ec.SECP384R1())
    point = p384.public_key().public_numbers()
    other = {"kty": "EC", "crv": "P-384", "x": encode(point.x.to_bytes(48, "big")), "y": encode(point.y.to_bytes(48, "big"))}
    private = {**target.project.keys[0].jwk, "kid": "private", "d": encode(b"\1" * 32)}
    encrypts = {**target.project.keys[0].jwk, "kid": "encrypts", "use": "enc"}
    target.project.body = json.dumps(
        {"keys": [jwk, {**other, "alg": "ES256", "kid": "p384"}, {**other, "kid": "bare"}, private, encrypts]}
    ).encode()
    with pytest.warns(jwt.warnings.InsecureKeyLengthWarning):
        token = jwt.encode(target.project.claims(), weak, "RS256", {"kid": "weak"})
    await target.refuses(token)
    await target.refuses(jwt.encode(target.project.claims(), p384, "ES384", {"kid": "p384"}))
    await target.refuses(jwt.encode(target.project.claims(), p384, "ES384", {"kid": "bare"}))
    await target.refuses(target.project.token(header={"kid": "private"}))
    await target.refuses(target.project.token(header={"kid": "encrypts"}))


async def test_rs256_and_nothing_beside_it(target: Target) -> None:
    private = rsa.generate_private_key(65537, 2048)
    target.project.keys = [keys.from_pem(pem(private))[0]]
    kid = target.project.keys[0].kid
    assert await target.accepts(target.project.token())
    for name in ("RS384", "RS512", "PS256"):
        answer = await me(target.client, jwt.encode(target.project.claims(), private, name, {"kid": kid}))
        assert answer.status_code == 401


async def test_a_stranger_signs(target: Target) -> None:
    stranger = new_key()
    for kid in (stranger.kid, target.project.keys[0].kid):
        await target.refuses(target.project.token(stranger, header={"kid": kid}))


async def test_a_key_of_the_tokens_own(target: Target) -> None:
    """``jwk``, ``jku``, ``x5u``, ``x5c``: whoever is named there is not asked."""
    async with supabase(target.app.clock) as attacker:
        url = f"{attacker.url}/auth/v1/.well-known/jwks.json"
        key = attacker.keys[0]
        for header in ({"jwk": dict(key.jwk)}, {"jku": url}, {"x5u": url}, {"x5c": ["AAAA"]}):
            for kid in (key.kid, target.project.keys[0].kid):
                await target.refuses(target.project.token(key, header={"kid": kid, **header}))
        assert attacker.asked == 0


@pytest.mark.parametrize(
    "kid", ["", "../../../../dev/null", "http://127.0.0.1:9/", "x' OR '1'='1", "x\0", "a" * 5000, 0, None, True, [], {"a": 1}], ids=repr
)
async def test_key_ids_that_are_no_keys(target: Target, kid: Any) -> None:
    await target.refuses(target.signed(target.project.claims(), kid=kid))
    assert target.project.asked <= 1


@pytest.mark.parametrize("critical", [["exp"], ["b64"], [], None], ids=repr)
async def test_critical_extensions_are_not_understood(target: Target, critical: Any) -> None:
    await target.refuses(target.signed(target.project.claims(), crit=critical))


@pytest.mark.parametrize("audience", ["anon", "lydian", "", "AUTHENTICATED", ["anon"], [], None, 7], ids=repr)
async def test_another_audience(target: Target, audience: Any) -> None:
    await target.refuses(target.signed({**target.project.claims(), "aud": audience}))


@pytest.mark.parametrize("suffix", ["/", "/../auth/v1", "?", ".evil.example", None])
async def test_another_issuer(target: Target, suffix: str | None) -> None:
    """A neighbouring project's token, or one of nobody: ours then refuse it."""
    await target.refuses(target.signed({**target.project.claims(), "iss": suffix and target.project.issuer + suffix}))
    assert target.project.asked == 0


async def test_a_key_of_theirs_signs_no_token_of_ours(target: Target) -> None:
    ours = {"iss": "lydian", "aud": "lydian", "sid": "s", "jti": "j", "role": "admin"}
    await target.refuses(target.signed({**target.project.claims(), **ours}))


async def test_a_key_of_ours_signs_no_token_of_theirs(target: Target) -> None:
    key = (await target.app.container.key_store.signing())[0]
    await target.refuses(jwt.encode(target.project.claims(), key.private, algorithm=key.algorithm, headers={"kid": key.kid}))


@pytest.mark.parametrize("missing", ["aud", "sub", "iat", "exp"])
async def test_a_missing_claim(target: Target, missing: str) -> None:
    await target.refuses(target.signed(target.project.claims(**{missing: None})))


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": ""},
        {"sub": "x" * 129},
        {"sub": 7},
        {"sub": None},
        {"sub": ["x"]},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": 10**400},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"exp": [9e9]},
        {"iat": "now"},
        {"iat": None},
        {"nbf": "now"},
        {"is_anonymous": True},
        {"is_anonymous": "false"},
    ],
    ids=repr,
)
async def test_a_claim_that_is_none(target: Target, claims: dict[str, Any]) -> None:
    await target.refuses(target.signed({**target.project.claims(), **claims}))


async def test_times_with_thirty_seconds_of_grace(target: Target) -> None:
    now = int(target.app.clock.now().timestamp())
    await target.refuses(target.project.token(exp=now - 30), "token_expired")
    await target.refuses(target.project.token(iat=now + 31))
    await target.refuses(target.project.token(nbf=now + 31))
    token = target.project.token(exp=now - 29, iat=now + 30, nbf=now + 30)
    assert await target.accepts(token)
    target.app.clock.advance(1)
    answer = await me(target.client, token)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_expired"), "also when it was verified before"


BOMBS = {
    "deep payload": "e30." + encode(b"[" * 20000) + ".AAAA",
    "deep value": "e30." + encode(b'{"iss":' * 15000) + ".AAAA",
    "a long number": "e30." + encode(b'{"iss":' + b"9" * 10000 + b"}") + ".AAAA",
    "not base64": "e30.!!!!.AAAA",
    "a list": f"e30.{encode([])}.AAAA",
    "no text": f"e30.{encode(bytes([0xFF, 0xFE]))}.AAAA",
    "an object as issuer": f"e30.{encode({'iss': {'a': 1}})}.AAAA",
    "one part": "e30",
}


@pytest.mark.parametrize("name", BOMBS)
async def test_garbage(target: Target, name: str) -> None:
    await target.refuses(BOMBS[name])


@pytest.mark.parametrize("header", [b"[" * 20000, b'{"kid":' * 15000, b"{}", b"[]", b"null", b"\xff"], ids=lambda header: repr(header[:9]))
async def test_headers_that_are_none(target: Target, header: bytes) -> None:
    await target.refuses(f"{encode(header)}.{encode(target.project.claims())}.AAAA")


async def test_a_changed_payload(target: Target) -> None:
    header, _, signature = target.project.token().split(".")
    await target.refuses(f"{header}.{encode(target.project.claims(sub='somebody-else'))}.{signature}")


@pytest.mark.parametrize("subject", ["../../users/x", "a/b\\c#d?e%f", "supabase:x", "é☂", " ", "x\0y", "\u202e"], ids=repr)
async def test_subjects_stay_in_their_partition(target: Target, subject: str) -> None:
    """Whatever Supabase calls a user, it is one account, and only its own."""
    first = (await me(target.client, target.project.token(sub=subject))).json()["id"]
    plain = (await me(target.client, target.project.token(sub=subject + "x"))).json()["id"]
    again = (await target.client.get("/api/auth/me", headers=bearer(target.project.token(sub=subject)))).json()["id"]
    assert first == again != plain
