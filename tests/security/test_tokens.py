"""Attacks on access tokens: each is 401, says nothing, and costs no 500."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared_code.auth import keys
from shared_code.auth.tokens import REQUIRED
from tests.unit.apps import App, bearer, make_app, me, register

RSA = rsa.generate_private_key(65537, 2048)
RSA_PEM = RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
EC_PEM = keys.new_pem()
PAIRS = {"RS256": RSA_PEM, "ES256": EC_PEM}


def encode(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    header, payload, signature = token.split(".")
    decoded = [json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in (header, payload)]
    return decoded[0], decoded[1], signature


class Target:
    """An app, a client, and a real user's token, which only lacks what an attack changes."""

    def __init__(self, app: App, client: httpx.AsyncClient, key: keys.SigningKey, token: str) -> None:
        self.app, self.client, self.key, self.token = app, client, key, token
        self.header, self.claims, self.signature = parts(token)

    def signed(self, claims: dict[str, Any] | None = None, *, drop: tuple[str, ...] = (), **header: Any) -> str:
        """A token signed with the right key."""
        payload = {name: value for name, value in {**self.claims, **(claims or {})}.items() if name not in drop}
        return jwt.encode(payload, self.key.private, algorithm=self.key.algorithm, headers={"kid": self.key.kid, **header})

    def unsigned(self, header: dict[str, Any], claims: dict[str, Any] | None = None, signature: bytes = b"") -> str:
        return f"{encode(header)}.{encode(claims or self.claims)}.{encode(signature)}"

    async def refuses(self, token: str | bytes, code: str = "invalid_token") -> None:
        value = b"Bearer " + token if isinstance(token, bytes) else f"Bearer {token}".encode()
        response = await self.client.get("/api/auth/me", headers=[(b"Authorization", value)])
        assert response.status_code == 401, response.text
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.json()["code"] == code
        assert self.claims["sub"] not in response.text


@pytest.fixture(scope="module", params=list(PAIRS))
def account(request: pytest.FixtureRequest) -> tuple[App, keys.SigningKey, str]:
    pem = PAIRS[request.param]
    app = make_app(JWT_PRIVATE_KEY=pem)

    async def sign_up() -> str:
        async with app.client() as client:
            token = str((await register(client))["access_token"])
            assert (await me(client, token)).status_code == 200
            return token

    return app, keys.from_pem(pem)[0], asyncio.run(sign_up())


@pytest.fixture
async def target(account: tuple[App, keys.SigningKey, str]) -> AsyncIterator[Target]:
    app, key, token = account
    async with app.client() as client:
        yield Target(app, client, key, token)


async def test_the_control(target: Target) -> None:
    """What the attacks start from is accepted."""
    assert (await me(target.client, target.signed())).status_code == 200
    assert set(target.claims) == set(REQUIRED)
    assert target.header == {"alg": target.key.algorithm, "kid": target.key.kid, "typ": "at+jwt"}


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None, 7, ["none"]])
async def test_no_signature(target: Target, algorithm: Any) -> None:
    for kid in (target.key.kid, None):
        header = {"alg": algorithm, "typ": "JWT", **({"kid": kid} if kid else {})}
        await target.refuses(target.unsigned(header))
        await target.refuses(target.unsigned(header, signature=b"x"))


async def test_the_public_key_as_an_hmac_secret(target: Target) -> None:
    """What everyone may know must not sign: the key decides the algorithm, never the token."""
    public = target.key.key
    secrets = [
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).strip(),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        json.dumps(dict(target.key.jwk)).encode(),
        target.key.kid.encode(),
        b"",
    ]
    for name, digest in (("HS256", hashlib.sha256), ("HS384", hashlib.sha384), ("HS512", hashlib.sha512)):
        signing = f"{encode({'alg': name, 'kid': target.key.kid})}.{encode(target.claims)}"
        for secret in secrets:
            await target.refuses(f"{signing}.{encode(hmac.new(secret, signing.encode(), digest).digest())}")


async def test_another_algorithm_of_the_right_family(target: Target) -> None:
    for name in ("RS384", "RS512", "PS256", "ES384", "ES512", "EdDSA", "ES256K", "RS256" if target.key.algorithm == "ES256" else "ES256"):
        await target.refuses(target.unsigned({"alg": name, "kid": target.key.kid}, signature=b"x" * 64))
    if target.key.algorithm == "RS256":
        for name in ("RS384", "PS256"):
            await target.refuses(jwt.encode(target.claims, RSA, algorithm=name, headers={"kid": target.key.kid}))


async def test_a_stranger_signs(target: Target) -> None:
    other = keys.from_pem(keys.new_pem())[0]
    for kid in (other.kid, target.key.kid):
        await target.refuses(jwt.encode(target.claims, other.private, algorithm="ES256", headers={"kid": kid}))


async def test_a_key_of_the_tokens_own(target: Target) -> None:
    """``jwk``, ``jku``, ``x5u``, ``x5c``: nothing in a header is asked for a key."""
    stranger = ec.generate_private_key(ec.SECP256R1())
    own = keys.from_pem(stranger.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())[0]
    for header in (
        {"jwk": dict(own.jwk)},
        {"jku": "http://127.0.0.1:9/jwks.json"},
        {"x5u": "http://127.0.0.1:9/cert.pem"},
        {"x5c": ["AAAA"]},
    ):
        for kid in (own.kid, target.key.kid):
            await target.refuses(jwt.encode(target.claims, stranger, algorithm="ES256", headers={"kid": kid, **header}))
        assert (await me(target.client, target.signed(**header))).status_code == 200, "and our own token is not led astray by it"


KIDS = ["", "../../../../dev/null", "/dev/null", "x' OR '1'='1", "x\x00", "a" * 5000, "$(id)", "é", 0, 1, None, True, [], ["x"], {"a": 1}]


@pytest.mark.parametrize("kid", KIDS, ids=repr)
async def test_key_ids_that_are_no_keys(target: Target, kid: Any) -> None:
    for secret in (b"", b"\0"):
        signing = f"{encode({'alg': 'HS256', 'kid': kid})}.{encode(target.claims)}"
        await target.refuses(f"{signing}.{encode(hmac.new(secret, signing.encode(), hashlib.sha256).digest())}")


async def test_no_key_id(target: Target) -> None:
    await target.refuses(jwt.encode(target.claims, target.key.private, algorithm=target.key.algorithm))


@pytest.mark.parametrize("critical", [["exp"], ["b64"], [], "exp", None, ["http://example.com/unknown"]], ids=repr)
async def test_critical_extensions_are_not_understood(target: Target, critical: Any) -> None:
    await target.refuses(target.unsigned({**target.header, "crit": critical}, signature=b"x"))
    header = encode({**target.header, "crit": critical})
    signing = f"{header}.{encode(target.claims)}"
    algorithm: Any = jwt.get_algorithm_by_name(target.key.algorithm)
    await target.refuses(f"{signing}.{encode(algorithm.sign(signing.encode(), target.key.private))}")


@pytest.mark.parametrize("audience", ["other", "", "LYDIAN", "lydian ", ["other"], [], None, 7, {"lydian": 1}], ids=repr)
async def test_another_audience(target: Target, audience: Any) -> None:
    await target.refuses(target.signed({"aud": audience}))


@pytest.mark.parametrize("issuer", ["other", "", "lydian.evil", None, ["lydian"], 7], ids=repr)
async def test_another_issuer(target: Target, issuer: Any) -> None:
    claims = {**target.claims, "iss": issuer}
    signing = f"{encode(target.header)}.{encode(claims)}"
    algorithm: Any = jwt.get_algorithm_by_name(target.key.algorithm)
    await target.refuses(f"{signing}.{encode(algorithm.sign(signing.encode(), target.key.private))}")


@pytest.mark.parametrize("missing", REQUIRED)
async def test_a_missing_claim(target: Target, missing: str) -> None:
    await target.refuses(target.signed(drop=(missing,)))


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": 7},
        {"sub": None},
        {"sid": ["x"]},
        {"role": "root"},
        {"role": None},
        {"role": ["admin"]},
        {"exp": "tomorrow"},
        {"exp": None},
        {"exp": [9e9]},
        {"exp": True},
        {"exp": 10**400},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"exp": float("-inf")},
    ],
    ids=repr,
)
async def test_a_claim_of_the_wrong_type(target: Target, claims: dict[str, Any]) -> None:
    signing = f"{encode(target.header)}.{encode({**target.claims, **claims})}"
    algorithm: Any = jwt.get_algorithm_by_name(target.key.algorithm)
    await target.refuses(f"{signing}.{encode(algorithm.sign(signing.encode(), target.key.private))}")


async def test_expired(target: Target) -> None:
    now = int(target.app.clock.now().timestamp())
    await target.refuses(target.signed({"exp": now}), "token_expired")
    await target.refuses(target.signed({"exp": now - 3600}), "token_expired")
    await target.refuses(target.signed({"exp": -1}), "token_expired")


async def test_a_changed_payload(target: Target) -> None:
    header, _, signature = target.token.split(".")
    for change in ({"role": "admin"}, {"sub": "0" * 26}, {"exp": target.claims["exp"] + 1}):
        await target.refuses(f"{header}.{encode({**target.claims, **change})}.{signature}")


async def test_a_changed_signature(target: Target) -> None:
    signing = target.token.rpartition(".")[0]
    raw = base64.urlsafe_b64decode(target.signature + "==")
    for changed in (
        b"",
        raw[:-1],
        raw + b"\0",
        bytes(len(raw)),
        bytes([raw[0] ^ 1]) + raw[1:],
        raw[:-1] + bytes([raw[-1] ^ 1]),
        b"\xff" * len(raw),
    ):
        await target.refuses(f"{signing}.{encode(changed)}")
    if target.key.algorithm == "ES256":  # CVE-2022-21449: r = s = 0
        await target.refuses(f"{signing}.{encode(bytes(64))}")


async def test_another_users_session(target: Target) -> None:
    """A signed pair of user and session that never was: the session decides."""
    other = parts((await register(target.client))["access_token"])[1]
    await target.refuses(target.signed({"sub": other["sub"], "sid": "0" * 26}), "session_ended")


BOMBS = {
    "empty": "",
    "dots": "..",
    "one dot": "a.b",
    "three dots": "a.b.c.d",
    "five parts": "a.b.c.d.e",
    "not base64": "!!.!!.!!",
    "spaces": "a b c",
    "not json": f"{encode(b'nope')}.{encode(b'nope')}.AAAA",
    "a list": f"{encode([])}.{encode({})}.AAAA",
    "null": f"{encode(None)}.{encode(None)}.",
    "deep": f"{encode(b'[' * 20000)}.e30.AAAA",
    "deep header": f"{encode(b'{' + b'a' * 3 + b'}')}.e30.AAAA",
    "deep value": encode(b'{"a":' * 15000) + ".e30.AAAA",
    "a long number": encode(b'{"alg":' + b"9" * 10000 + b"}") + ".e30.AAAA",
    "huge": "A" * 60_000,
    "huge parts": ".".join(["A" * 20_000] * 3),
    "a refresh token": f"lyr_{'0' * 26}.{'0' * 26}.{'A' * 43}",
}


@pytest.mark.parametrize("name", BOMBS)
async def test_garbage(target: Target, name: str) -> None:
    if not BOMBS[name]:
        await target.refuses("", "unauthenticated")
    else:
        await target.refuses(BOMBS[name])


@pytest.mark.parametrize("token", [b"\xff.\xfe.\xfd", "é.é.é".encode(), b"a.b.c\x00", b"\xed\xa0\x80"])
async def test_bytes_that_are_no_text(target: Target, token: bytes) -> None:
    await target.refuses(token)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=80)
    | st.from_regex(r"\A[\w-]{2,30}\.[\w-]{2,30}\.[\w-]{0,20}\Z")
)
async def test_anything_else(target: Target, token: str) -> None:
    await target.refuses(token.encode())


async def test_hs256_mode_takes_nothing_else() -> None:
    secret = "s" * 64
    app = make_app(JWT_SECRET=secret)
    async with app.client() as client:
        token = (await register(client))["access_token"]
        header, claims, _ = parts(token)
        sign: Callable[..., str] = jwt.encode
        assert (await client.get("/api/auth/me", headers=bearer(sign(claims, secret, "HS256", {"kid": header["kid"]})))).status_code == 200
        for forged in (
            sign(claims, "t" * 64, "HS256", {"kid": header["kid"]}),
            sign(claims, secret, "HS384", {"kid": header["kid"]}),
            sign(claims, RSA, "RS256", {"kid": header["kid"]}),
            f"{encode({'alg': 'none', 'kid': header['kid']})}.{encode(claims)}.",
        ):
            assert (await client.get("/api/auth/me", headers=bearer(forged))).status_code == 401
