"""Other people's servers: a real one that answers, refuses, hangs or is not there; and how often it is asked."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shared_code.errors import LydianError, UpstreamFailed, UpstreamTimeout
from shared_code.monitoring import checks, outside
from shared_code.monitoring.checks import Check, Remembered, measured, probe_all


class Server:
    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        self.silent = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(await reader.readuntil(b"\r\n\r\n"))
        if self.silent:
            await reader.read()
        writer.write(self.answer)
        writer.close()


@pytest_asyncio.fixture
async def server() -> AsyncIterator[tuple[Server, str]]:
    found = Server()
    listening = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    yield found, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    listening.close()


async def test_what_it_answers(server: tuple[Server, str], monkeypatch: pytest.MonkeyPatch) -> None:
    found, url = server
    await outside.answers(f"{url}/v3/scopes", headers={"Authorization": "Bearer k"})
    assert b"GET /v3/scopes" in found.asked[0]
    assert b"Bearer k" in found.asked[0]
    for status, said in ((b"401 No", "our key is refused"), (b"503 No", "it answers 503"), (b"302 No\r\nLocation: /x", "it answers 302")):
        found.answer = b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n"
        with pytest.raises(UpstreamFailed, match=said):
            await outside.answers(url)
    found.answer = b"nonsense"
    with pytest.raises(UpstreamFailed, match="cannot be reached"):
        await outside.post(url, {"text": "x"})
    found.silent = True
    monkeypatch.setattr(outside, "SECONDS", 0.05)
    with pytest.raises(LydianError, match="no answer within"):
        await outside.answers(url)
    assert (await measured(lambda: outside.answers(url), 0.01)).detail == "no answer within 0 s"
    with pytest.raises(UpstreamFailed, match="cannot be reached"):
        await outside.answers("http://127.0.0.1:9")


async def test_it_is_asked_once_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    now, asked = 1000.0, 0
    monkeypatch.setattr(checks.time, "monotonic", lambda: now)

    async def fails() -> None:
        nonlocal asked
        asked += 1
        raise UpstreamFailed("it answers 500")

    probe = Remembered(fails)
    found = await probe_all([Check(str(number), probe) for number in range(10)])
    assert {(outcome.status, outcome.detail) for outcome in found.values()} == {("down", "it answers 500")}
    assert asked == 1
    now += checks.REMEMBERED + 1
    await measured(probe)
    assert asked == 2


async def test_silence_is_remembered_too() -> None:
    asked = 0

    async def hangs() -> None:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()

    probe = Remembered(hangs)
    for _ in range(3):
        assert (await measured(probe, 0.01)).status == "down"
    assert asked == 1


def test_a_lock_belongs_to_one_loop() -> None:
    async def well() -> None:
        await asyncio.sleep(0)

    probe = Remembered(well)
    for _ in range(2):
        assert asyncio.run(measured(probe)).status == "ok"


UNTIL = datetime(2040, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest_asyncio.fixture
async def tls(tmp_path: Path) -> AsyncIterator[tuple[int, Path]]:
    """A port where TLS is spoken for 127.0.0.1, and the certificate, which signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(datetime.now(UTC) - timedelta(days=1)).not_valid_after(UNTIL)
    made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    certificate, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    kept = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, *kept))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1], certificate
    server.close()


async def test_a_certificate(tls: tuple[int, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    port, certificate = tls
    with pytest.raises(UpstreamFailed, match="self-signed certificate"):
        await outside.certificate_expiry("127.0.0.1", port)
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(outside.ssl, "create_default_context", lambda: trusting)
    assert await outside.certificate_expiry("127.0.0.1", port) == UNTIL
    with pytest.raises(UpstreamFailed, match=r"doesn't match|mismatch|not valid for"):
        await outside.certificate_expiry("localhost", port)
    with pytest.raises(UpstreamTimeout):
        await outside.certificate_expiry("127.0.0.1", 9)
