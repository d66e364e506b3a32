"""Each check can fail: against a server that says yes to everything, and against mistakes of single kinds."""

import json
import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from local.preflight import __main__ as command
from local.preflight import edge, report, triggers, uploads
from local.preflight.checks import CHECKS
from local.preflight.report import Check, Outcome, run
from local.preflight.target import Options, Target
from tests.unit.preflight.servers import Careless, serving

BY_NAME = {check.name: check for check in CHECKS}
TOKEN = jwt.encode({"sub": "u", "iss": "i", "exp": 4102444800}, ec.generate_private_key(ec.SECP256R1()), "ES256", headers={"kid": "k"})


@pytest.fixture(scope="module")
def careless() -> Iterator[str]:
    with serving(Careless) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}"


def target(url: str, token: str = TOKEN, **options: object) -> Target:
    return Target(url, token, Options(patience=0.05, streams=2, long=True, **options))  # type: ignore[arg-type]


def judge(check: str, at: Target) -> report.Finding:
    with at.client:
        return run(BY_NAME[check], at)


# TLS is looked at below, with a certificate nobody trusts; the rest cannot be told on this machine, or not without https.
ELSEWHERE = {"tls", "redirect", "identity", "mail-dns"}


@pytest.mark.parametrize("check", [check.name for check in CHECKS if check.name not in ELSEWHERE])
def test_a_server_that_says_yes_to_everything_fails(check: str, careless: str) -> None:
    finding = judge(check, target(careless))
    assert finding.outcome is Outcome.FAIL, finding
    assert TOKEN not in finding.detail


@pytest.mark.parametrize("check", [check.name for check in CHECKS if check.name not in ELSEWHERE])
def test_nobody_there_fails(check: str) -> None:
    assert judge(check, target("http://127.0.0.1:9")).outcome is Outcome.FAIL


@pytest.mark.parametrize("check", [check.name for check in CHECKS if not check.smoke])
def test_without_a_token_nothing_is_claimed(check: str, careless: str) -> None:
    finding = judge(check, target(careless, token=""))
    assert finding.outcome is Outcome.UNKNOWN
    assert check == "identity" or "TOKEN" in finding.detail


class Answering(Careless):
    """Answers by path; ``{}`` where none is named."""

    answers: dict[str, tuple[int, object]] = {}  # noqa: RUF012 - each subclass sets its own
    kind = "application/json"

    def answer(self) -> None:
        self.status, found = self.answers.get(self.path.partition("?")[0], (200, {}))
        self.body = json.dumps(found).encode() if not isinstance(found, bytes) else found
        super().answer()

    do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = answer


def judged(check: Check, answers: dict[str, tuple[int, object]], kind: str = "application/json", **options: object) -> report.Finding:
    handler = type("Handler", (Answering,), {"answers": answers, "kind": kind})
    with serving(handler) as server:
        at = target(f"http://127.0.0.1:{server.server_address[1]}", **options)
        with at.client:
            return run(check, at)


def test_a_right_that_is_missing_is_no_failure() -> None:
    for status, code in ((403, "forbidden"), (404, "not_found"), (503, "ai_not_configured")):
        finding = judged(BY_NAME["parallel"], {"/api/ai/v1/models": (status, {"code": code})})
        assert (finding.outcome, code in finding.detail) == (Outcome.UNKNOWN, True)
    assert judged(BY_NAME["parallel"], {"/api/ai/v1/models": (503, {"code": "busy"})}).outcome is Outcome.FAIL


def test_a_poisoned_queue_and_one_that_nobody_reads() -> None:
    def queues(**numbers: int) -> dict[str, tuple[int, object]]:
        return {"/api/monitoring/queues": (200, {"items": [{"name": "mail-events", "length": 0, "poison_length": 0, **numbers}]})}

    assert judged(BY_NAME["queue"], queues()).outcome is Outcome.PASS
    poisoned = judged(BY_NAME["queue"], queues(poison_length=2))
    assert (poisoned.outcome, "mail-events-poison" in poisoned.detail) == (Outcome.FAIL, True)
    stuck = judged(BY_NAME["queue"], queues(length=3))
    assert (stuck.outcome, "mail-events" in stuck.detail) == (Outcome.FAIL, True)


def test_a_timer_that_stopped() -> None:
    def board(at: datetime | None) -> dict[str, tuple[int, object]]:
        probe = {"probed_at": at.isoformat().replace("+00:00", "Z") if at else None}
        return {"/api/monitoring/health": (200, {"services": {"files": probe}, "dependencies": {}})}

    now = datetime.now(UTC)
    assert judged(BY_NAME["timer"], board(now)).outcome is Outcome.PASS
    for at in (None, now - timedelta(seconds=triggers.PROBE_AGE + 1)):
        assert judged(BY_NAME["timer"], board(at)).outcome is Outcome.FAIL
    nonsense = {"/api/monitoring/health": (200, {"services": {"files": {"probed_at": "soon"}}, "dependencies": {}})}
    assert judged(BY_NAME["timer"], nonsense).outcome is Outcome.FAIL


MODELS = {"/api/ai/v1/models": (200, {"data": [{"id": "m"}]})}


class Streaming(Answering):
    lines = b""

    def do_POST(self) -> None:
        self.kind, self.body, self.status = "text/event-stream", self.lines, 200
        Careless.answer(self)


@pytest.mark.parametrize(
    ("lines", "outcome"),
    [(b"data: {}\n\n", Outcome.FAIL), (b"data: {}\n\ndata: [DONE]\n\n", Outcome.UNKNOWN), (b"", Outcome.FAIL)],
)
def test_a_stream_that_is_cut_is_told_from_one_that_is_over(lines: bytes, outcome: Outcome) -> None:
    handler = type("Handler", (Streaming,), {"answers": MODELS, "lines": lines})
    with serving(handler) as server:
        finding = judge("stream", target(f"http://127.0.0.1:{server.server_address[1]}"))
        assert finding.outcome is outcome, finding


def test_a_stream_that_lasts_passes() -> None:
    handler = type("Handler", (Streaming,), {"answers": MODELS, "lines": b"data: {}\n\n"})
    with serving(handler) as server:
        assert judge("stream", target(f"http://127.0.0.1:{server.server_address[1]}", stream_seconds=0)).outcome is Outcome.PASS


def test_an_answer_that_is_no_stream() -> None:
    assert "application/json" in judged(BY_NAME["stream"], MODELS).detail


def test_what_is_held_for_ever_is_seen() -> None:
    handler = type("Handler", (Answering,), {"answers": MODELS, "kind": "application/json", "held": 0})

    def answer(self: Answering) -> None:
        if self.path == "/api/ai/usage":
            type(self).held += 1  # type: ignore[attr-defined]
            self.answers = {**self.answers, "/api/ai/usage": (200, {"budget": {"budget": "1.00", "held": type(self).held}})}  # type: ignore[attr-defined]
        Answering.answer(self)

    handler.do_GET = answer  # type: ignore[attr-defined]
    with serving(handler) as server:
        finding = judge("leaves", target(f"http://127.0.0.1:{server.server_address[1]}"))
    assert (finding.outcome, "given back" in finding.detail) == (Outcome.FAIL, True)


def test_a_body_that_the_host_itself_refuses_too_early() -> None:
    handler = type("Handler", (Answering,), {"answers": {"/api/files/upload": (413, b"")}, "kind": "text/plain"})
    with serving(handler) as server:
        finding = judge("limit", target(f"http://127.0.0.1:{server.server_address[1]}"))
    assert (finding.outcome, "by the host" in finding.detail) == (Outcome.FAIL, True)


def test_grants_signed_with_a_key_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Target, "local", False)
    finding = judged(BY_NAME["identity"], {"/api/files/upload-url": (201, {"upload_url": "https://x.blob.core.windows.net/a?sig=x"})})
    assert (finding.outcome, "skoid" in finding.detail) == (Outcome.FAIL, True)


def test_direct_uploads_that_are_off_are_no_failure() -> None:
    assert judged(BY_NAME["direct"], {"/api/files/upload-url": (413, {"code": "file_too_large"})}).outcome is Outcome.UNKNOWN


def test_documents_that_name_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Target, "local", False)
    answers: dict[str, tuple[int, object]] = {
        "/.well-known/openid-configuration": (200, {"issuer": "i", "jwks_uri": "https://old.example/jwks.json"}),
        "/.well-known/jwks.json": (200, {"keys": [{}]}),
    }
    finding = judged(BY_NAME["well-known"], answers)
    assert (finding.outcome, "PUBLIC_BASE_URL" in finding.detail) == (Outcome.FAIL, True)


def test_a_token_of_other_keys() -> None:
    other = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key())) | {"kid": "k"}
    known: dict[str, tuple[int, object]] = {
        "/.well-known/jwks.json": (200, {"keys": [other]}),
        "/.well-known/openid-configuration": (200, {"issuer": "i"}),
    }
    assert "do not verify" in judged(BY_NAME["token"], known).detail
    renamed = {**known, "/.well-known/jwks.json": (200, {"keys": [other | {"kid": "another"}]})}
    assert "not among" in judged(BY_NAME["token"], renamed).detail
    finding = run(BY_NAME["token"], _with_token(known, "lyd_made-up"))
    assert finding.outcome is Outcome.UNKNOWN


def _with_token(answers: dict[str, tuple[int, object]], token: str) -> Target:
    at = target("http://127.0.0.1:9", token=token)
    at.client = httpx.Client(
        base_url="http://test",
        transport=httpx.MockTransport(lambda request: httpx.Response(*answers[request.url.path][:1], json=answers[request.url.path][1])),
    )
    return at


def test_a_webhook_without_a_secret_and_with_another_one() -> None:
    missing = {"/api/webhooks/stripe": (503, {"code": "payments_not_configured"})}
    assert judged(BY_NAME["webhook"], missing).outcome is Outcome.UNKNOWN
    refusing = {"/api/webhooks/stripe": (400, {"code": "invalid_signature"})}
    assert judged(BY_NAME["webhook"], refusing).outcome is Outcome.PASS
    assert judged(BY_NAME["webhook"], refusing, webhook_secret="made up").outcome is Outcome.FAIL


def test_an_origin_that_is_not_allowed() -> None:
    with serving(type("Handler", (Careless,), {"send_header": _without_cors})) as server:
        at = f"http://127.0.0.1:{server.server_address[1]}"
        assert judge("cors", target(at)).outcome is Outcome.PASS
        finding = judge("cors", target(at, origin="https://www.contoso.com"))
    assert (finding.outcome, "CORS_ORIGINS" in finding.detail) == (Outcome.FAIL, True)


def _without_cors(self: Careless, name: str, value: str) -> None:
    if not name.startswith("Access-Control"):
        super(Careless, self).send_header(name, value)


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
    from io import BytesIO

    from PIL import Image

    first = uploads.png()
    with Image.open(BytesIO(first)) as image:
        image.load()
        assert (image.format, image.size) == ("PNG", (64, 64))
    assert first != uploads.png()
