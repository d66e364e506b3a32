"""TLS with certificates of our own, the way from http to https, and the command."""

import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from PIL import Image

from local.preflight import __main__ as command
from local.preflight import edge, uploads
from local.preflight.checks import CHECKS
from local.preflight.report import Outcome
from local.preflight.target import Target
from tests.unit.preflight.looks import TOKEN, judge, target
from tests.unit.preflight.servers import Careless, serving


@pytest.fixture(scope="module")
def untrusted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    with serving(Careless) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        yield f"https://localhost:{server.server_address[1]}"


def test_a_certificate_that_nobody_trusts(untrusted: str) -> None:
    finding = judge("tls", target(untrusted))
    assert (finding.outcome, "not valid for localhost" in finding.detail) == (Outcome.FAIL, True)


def test_a_certificate_that_is_about_to_end(untrusted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem = ssl.get_server_certificate(("localhost", int(untrusted.rpartition(":")[2])))
    trusted = ssl.create_default_context(cadata=pem)
    monkeypatch.setattr(edge.ssl, "create_default_context", lambda **_: trusted)
    assert "ends in 1 days" in judge("tls", target(untrusted)).detail
    monkeypatch.setattr(edge, "CERTIFICATE_DAYS", 0)
    assert judge("tls", target(untrusted)).outcome is Outcome.PASS


def test_http_on_a_public_host_fails(monkeypatch: pytest.MonkeyPatch, careless: str) -> None:
    monkeypatch.setattr(Target, "local", False)
    assert judge("tls", target(careless)).outcome is Outcome.FAIL


@pytest.mark.parametrize(("answer", "outcome"), [((200, ""), Outcome.FAIL), ((307, "https://api.contoso.com/health"), Outcome.PASS)])
def test_http_leads_to_https(answer: tuple[int, str], outcome: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge.httpx, "get", lambda url, **_: httpx.Response(answer[0], headers={"location": answer[1]}))
    assert judge("redirect", target("https://api.contoso.com")).outcome is outcome


def test_what_is_local() -> None:
    for url, local in (
        ("http://127.0.0.1:7071", True),
        ("http://localhost", True),
        ("http://[::1]:1", True),
        ("https://api.contoso.com", False),
    ):
        assert target(url).local is local


def test_the_command(careless: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", TOKEN)
    assert command.main([careless, "--only", "root,mail-dns"]) == 1
    said = capsys.readouterr().out
    assert re.search(r"^fail +/: / answered 200 and no JSON", said, re.M)
    assert re.search(r"^could not tell +mail DNS", said, re.M)
    assert "0 pass, 1 fail, 1 could not tell" in said
    assert command.main([careless, "--only", "mail-dns"]) == 0
    assert command.main(["http://127.0.0.1:9", "--patience", "0.1"]) == 2
    for bad in (["ftp://x"], [careless, "--only", "nothing"]):
        with pytest.raises(SystemExit):
            command.parse(bad)


def test_smoke_needs_no_token_and_stores_nothing() -> None:
    assert {check.name for check in CHECKS if check.smoke} == {
        "tls", "redirect", "headers", "well-known", "root", "errors", "non-ascii", "cors", "webhook", "mail-dns",
    }  # fmt: skip


def test_pictures_differ_and_are_pictures() -> None:
    first = uploads.png()
    with Image.open(BytesIO(first)) as image:
        image.load()
        assert (image.format, image.size) == ("PNG", (64, 64))
    assert first != uploads.png()
