"""Signing keys: which are accepted, how they are published, and the one a local run makes."""

import base64
import hashlib
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat, PublicFormat

from shared_code.auth import keys
from shared_code.auth.key_store import JWKS_BLOB, SYSTEM_CONTAINER, KeyStore
from shared_code.clock import ManualClock
from shared_code.settings import SettingsError, load
from shared_code.storage.memory import MemoryStorage
from tests.unit.apps import make_app, me, register, signing_pem

TRADITIONAL = PrivateFormat.TraditionalOpenSSL
P_256 = ec.generate_private_key(ec.SECP256R1())


def pem(key: PrivateKeyTypes, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, TRADITIONAL])
def test_rsa_and_p_256(rsa_key: rsa.RSAPrivateKey, form: PrivateFormat) -> None:
    p_256 = ec.generate_private_key(ec.SECP256R1())
    found = keys.from_pem(pem(rsa_key, form) + pem(p_256, form))
    assert [key.algorithm for key in found] == ["RS256", "ES256"]
    for key in found:
        assert jwt.PyJWK(dict(key.jwk)).key.public_numbers() == key.key.public_numbers()  # type: ignore[union-attr]  # both are public keys
        assert not {"d", "p", "q", "dp", "dq", "qi"} & set(key.jwk), "nothing private is published"
        required = {name: key.jwk[name] for name in (("e", "kty", "n") if key.algorithm == "RS256" else ("crv", "kty", "x", "y"))}
        thumbprint = hashlib.sha256(json.dumps(required, separators=(",", ":")).encode()).digest()
        assert key.kid == base64.urlsafe_b64encode(thumbprint).rstrip(b"=").decode(), "RFC 7638"


def test_a_coordinate_with_leading_zeroes_keeps_its_length() -> None:
    """RFC 7518, 6.2.1.2: always 32 octets."""
    for _ in range(2000):
        key = ec.derive_private_key(_ + 1, ec.SECP256R1())
        if key.public_key().public_numbers().x >> 248 == 0:
            break
    (found,) = keys.from_pem(pem(key))
    assert len(found.jwk["x"]) == len(found.jwk["y"]) == 43


def test_line_ends_may_be_escaped_and_parameters_stand_before() -> None:
    text = signing_pem()
    one_line = text.replace("\n", "\\n")
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    assert keys.from_pem(one_line)[0].kid == keys.from_pem(parameters + text)[0].kid == keys.from_pem(f"  {text}\n\n")[0].kid


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no PEM private key"),
        ("not a key", "no PEM private key"),
        ("-----BEGIN {0}-----\nAAAA\n-----END {0}-----".format("PRIVATE KEY"), "cannot be read"),  # no scanner need look
        (pem(rsa.generate_private_key(65537, 1024)), "2048 bits"),  # noqa: S505  # that is what is refused
        (pem(ec.generate_private_key(ec.SECP384R1())), "P-256"),
        (pem(ed25519.Ed25519PrivateKey.generate()), "P-256"),
        (P_256.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(), "no PEM private key"),
        (P_256.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")).decode(), "encrypted"),
    ],
)
async def test_other_keys_are_refused_naming_the_setting(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        keys.from_pem(text)
    if text:
        store = KeyStore(load({"JWT_PRIVATE_KEY": text}), MemoryStorage().blobs)
        with pytest.raises(SettingsError, match=f"^JWT_PRIVATE_KEY .*{why}") as caught:
            await store.signing()
        assert text.split("\n")[1:2] == [] or text.split("\n")[1] not in str(caught.value)


async def test_a_shared_secret_is_never_published() -> None:
    app = make_app(JWT_SECRET="s" * 32)
    async with app.client() as client:
        body = await register(client)
        assert (await me(client, body["access_token"])).status_code == 200
        assert jwt.get_unverified_header(body["access_token"])["alg"] == "HS256"
        assert (await client.get("/.well-known/jwks.json")).json() == {"keys": []}
        discovery = (await client.get("/.well-known/openid-configuration")).json()
        assert discovery["id_token_signing_alg_values_supported"] == ["HS256"]
    read = await app.storage.blobs.read(SYSTEM_CONTAINER, JWKS_BLOB)
    assert b"".join([chunk async for chunk in read.chunks]) == b'{"keys": []}'


async def test_jwks_and_discovery() -> None:
    other = keys.new_pem()
    app = make_app(JWT_PRIVATE_KEY=signing_pem() + other, PUBLIC_BASE_URL="https://api.contoso.com")
    async with app.client() as client:
        jwks = await client.get("/.well-known/jwks.json")
        assert jwks.headers["cache-control"] == "public, max-age=300"
        assert [key["kid"] for key in jwks.json()["keys"]] == [keys.from_pem(text)[0].kid for text in (signing_pem(), other)]
        assert all(set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"} for key in jwks.json()["keys"])
        discovery = (await client.get("/.well-known/openid-configuration")).json()
        assert discovery["issuer"] == "https://api.contoso.com"
        assert discovery["jwks_uri"] == "https://api.contoso.com/.well-known/jwks.json"
        assert discovery["id_token_signing_alg_values_supported"] == ["ES256"]
        token = (await register(client))["access_token"]
        key = jwt.PyJWKSet(jwks.json()["keys"])[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(
            token,
            key.key,
            algorithms=["ES256"],
            audience="lydian",
            issuer=discovery["issuer"],
            options={"verify_exp": False, "verify_iat": False},
        )
        assert set(claims) == set(discovery["claims_supported"])


# --- the key that a local run makes ----------------------------------------------------------------------------------


def test_it_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    made = keys.local_key(folder)
    assert keys.local_key(folder) == made
    (path,) = folder.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keys.from_pem(made)[0].algorithm == "ES256"


def test_several_apps_that_start_at_once_share_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        made = set(pool.map(lambda _: keys.local_key(tmp_path), range(16)))
    assert len(made) == 1
    assert len(list(tmp_path.iterdir())) == 1, "no draft is left"


def test_who_comes_second_takes_the_firsts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = keys.local_key(tmp_path)
    real = Path.exists
    monkeypatch.setattr(Path, "exists", lambda self: False if self.name == "jwt-private-key.pem" else real(self))
    assert keys.local_key(tmp_path) == first


async def test_a_restart_keeps_everyone_signed_in(tmp_path: Path) -> None:
    environ = {"ENVIRONMENT": "local", "LYDIAN_DATA_DIR": str(tmp_path), "JWT_PRIVATE_KEY": ""}
    app = make_app(**environ)
    async with app.client() as client:
        token = (await register(client))["access_token"]
    async with app.sibling(**environ).client() as client:
        assert (await me(client, token)).status_code == 200


async def test_a_folder_that_cannot_be_written_costs_the_key_at_the_next_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = KeyStore(load({"LYDIAN_DATA_DIR": str(tmp_path / "file")}), MemoryStorage(ManualClock()).blobs)
    assert [key.algorithm for key in await store.signing()] == ["ES256"]
    assert not store.configured


async def test_a_kept_key_that_is_broken_says_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "jwt-private-key.pem").write_text("half a key")
    with pytest.raises(SettingsError, match="LYDIAN_DATA_DIR"):
        await KeyStore(load({"LYDIAN_DATA_DIR": str(tmp_path)}), MemoryStorage().blobs).signing()
