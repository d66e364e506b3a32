"""Signing in with a token, as on Azure: Azurite over TLS with --oauth checks the token's claims and gives delegation keys."""

import datetime as dt
import time
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import jwt
import pytest
from azure.core.credentials import AccessToken
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared_code.storage.azure_storage import AzureStorage
from shared_code.storage.ports import Insert
from tests.azurite import start_azurite
from tests.contract.conftest import all_of

NOW = dt.datetime.now(dt.UTC)


class Credential:
    """An azure-identity credential in kind. Azurite reads a token's claims but cannot know its signer."""

    def __init__(self) -> None:
        self.asked = 0

    async def get_token(self, *_scopes: str, **_: Any) -> AccessToken:
        self.asked += 1
        expires = int(time.time()) + 3600
        claims = {
            "aud": "https://storage.azure.com",
            "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000001/",
            "iat": int(time.time()) - 60,
            "nbf": int(time.time()) - 60,
            "exp": expires,
            "oid": "00000000-0000-0000-0000-000000000002",
            "tid": "00000000-0000-0000-0000-000000000001",
        }
        return AccessToken(jwt.encode(claims, "an unchecked signature of enough bytes", algorithm="HS256"), expires)

    async def close(self) -> None: ...

    async def __aenter__(self) -> "Credential":
        return self

    async def __aexit__(self, *_: object) -> None: ...


class SignedIn(NamedTuple):
    storage: AzureStorage
    credential: Credential


def _write_certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), NOW - dt.timedelta(1), NOW + dt.timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    paths[1].write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    return paths


@pytest.fixture
async def signed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SignedIn]:
    certificate, key = _write_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    azurite = start_azurite("--oauth", "basic", "--cert", str(certificate), "--key", str(key), scheme="https")
    credential = Credential()
    storage = AzureStorage.from_account(azurite.blob_url, credential, table_url=azurite.table_url, queue_url=azurite.queue_url)
    yield SignedIn(storage, credential)
    await storage.aclose()
    azurite.stop()


async def test_all_three_services_with_a_token(signed_in: SignedIn, name: str) -> None:
    storage = signed_in.storage
    await storage.check()
    await storage.tables.apply(name, "p", Insert("k", {"n": 1}))
    assert [row.values["n"] for row in await storage.tables.query(name, "p")] == [1]
    await storage.queues.send(name, "x")
    assert await storage.queues.count(name) == 1
    await storage.blobs.put(name, "b", b"x", content_type="text/plain")
    assert await all_of(await storage.blobs.read(name, "b")) == b"x"
    assert signed_in.credential.asked <= 6, "one token a client is kept"


async def test_grants_are_signed_with_a_kept_delegation_key(signed_in: SignedIn, name: str) -> None:
    """The signature itself is the SDK's, in the form of 2026, which Azurite 3.35 cannot verify; what is signed is ours."""
    blobs = signed_in.storage.blobs
    first = await blobs.grant_upload(name, "first", content_type="image/png", lifetime=900)
    second = await blobs.grant_upload(name, "second", content_type="image/png", lifetime=900)
    asked = [httpx.URL(grant.url).params for grant in (first, second)]
    assert first.url.startswith(f"https://127.0.0.1:{httpx.URL(first.url).port}/devstoreaccount1/{name}/first?")
    assert asked[0]["spr"] == "https"
    assert asked[0]["sp"] == "c"
    assert asked[0]["sr"] == "b"
    assert asked[0]["se"] == f"{first.expires_at:%Y-%m-%dT%H:%M:%SZ}"
    assert asked[0]["skoid"].endswith("2"), "a user-delegation key, not the account's"
    assert asked[0]["sktid"].endswith("1")
    assert asked[0]["ske"] == asked[1]["ske"]
    assert asked[0]["sig"] != asked[1]["sig"]
    long = await blobs.grant_upload(name, "long", content_type="image/png", lifetime=13 * 3600)
    assert httpx.URL(long.url).params["ske"] > asked[0]["ske"], "a key is renewed when it would expire before the grant"
