"""Each check can fail: against a server that says yes to everything, and against mistakes of single kinds."""

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import jwt
import pytest
import stripe
from cryptography.hazmat.primitives.asymmetric import ec

from local.preflight import triggers
from local.preflight.checks import CHECKS
from local.preflight.report import Outcome, run
from local.preflight.target import Target
from tests.unit.preflight.looks import BY_NAME, TOKEN, Answering, judge, judged, target
from tests.unit.preflight.servers import Careless, serving

ELSEWHERE = {"tls", "redirect", "identity", "mail-dns"}
"""Looked at in modules of their own, or below; on this machine they cannot tell."""


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


def test_a_right_that_is_missing_is_no_failure() -> None:
    for status, code in ((403, "forbidden"), (404, "not_found"), (503, "ai_not_configured")):
        finding = judged(BY_NAME["parallel"], {"/api/ai/v1/models": (status, {"code": code})})
        assert (finding.outcome, code in finding.detail) == (Outcome.UNKNOWN, True)
    assert judged(BY_NAME["parallel"], {"/api/ai/v1/models": (503, {"code": "busy"})}).outcome is Outcome.FAIL


def test_a_poisoned_queue_and_one_that_nobody_reads() -> None:
    conversation: dict[str, tuple[int, object]] = {"/api/chat/conversations": (201, {"id": "c"}), "/api/chat/conversations/c": (204, b"")}

    def queues(**numbers: int) -> dict[str, tuple[int, object]]:
        items = [{"name": "mail-events", "length": 0, "poison_length": 0, **numbers}]
        return {**conversation, "/api/monitoring/queues": (200, {"items": items})}

    assert judged(BY_NAME["queue"], queues()).outcome is Outcome.PASS
    poisoned = judged(BY_NAME["queue"], queues(poison_length=2))
    assert (poisoned.outcome, "mail-events-poison" in poisoned.detail) == (Outcome.FAIL, True)
    stuck = judged(BY_NAME["queue"], queues(length=3))
    assert (stuck.outcome, "mail-events" in stuck.detail) == (Outcome.FAIL, True)
    # Empty queues say nothing, unless something was put into one.
    idle = judged(BY_NAME["queue"], queues() | {"/api/chat/conversations": (403, {"code": "insufficient_scope"})})
    assert (idle.outcome, "chat is not served" in idle.detail) == (Outcome.UNKNOWN, True)


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


@pytest.mark.parametrize(
    ("counts", "holds", "budget", "outcome", "said"),
    [
        ((1, 1), False, "1.00", Outcome.PASS, "nothing of the budget stays held"),
        ((1, 1), False, None, Outcome.PASS, "there is no budget"),
        ((1, 1), True, "1.00", Outcome.FAIL, "given back"),
        ((0, 0), False, "1.00", Outcome.FAIL, "was counted"),
        ((1, 0), False, None, Outcome.FAIL, "went on to its end"),
    ],
)
def test_a_call_whose_caller_left(counts: tuple[int, int], holds: bool, budget: str | None, outcome: Outcome, said: str) -> None:
    """``counts``: by how much the abandoned call raises requests and those by estimate; ``holds``: whether each look finds more held."""
    left = threading.Event()

    class Handler(Answering):
        held = 0

        def do_GET(self) -> None:
            if self.path == "/api/ai/usage":
                type(self).held += holds
                requests, estimated = counts if left.is_set() else (0, 0)
                usage = {
                    "total": {"requests": 7 + requests, "estimated_requests": 2 + estimated},
                    "budget": {"budget": budget, "held": self.held},
                }
                self.answers = {**self.answers, "/api/ai/usage": (200, usage)}
            Answering.answer(self)

        def do_POST(self) -> None:
            left.set()

    handler = type("Handler", (Handler,), {"answers": MODELS, "kind": "application/json"})
    with serving(handler) as server:
        finding = judge(
            "leaves", replace_patience(target(f"http://127.0.0.1:{server.server_address[1]}"), 1.0 if outcome is Outcome.PASS else 0.3)
        )
    assert (finding.outcome, said in finding.detail) == (outcome, True), finding


def test_a_caller_who_left_before_the_model_was_asked_is_no_failure() -> None:
    """That call has cost nothing; the next leaves a little later."""
    calls = threading.Semaphore(0)
    seen = 0

    class Handler(Answering):
        def do_GET(self) -> None:
            nonlocal seen
            while calls.acquire(blocking=False):
                seen += 1
            counted = int(seen >= 2)
            usage = {
                "total": {"requests": 7 + counted, "estimated_requests": 2 + counted},
                "budget": {"budget": None, "held": 0},
            }
            self.answers = {**self.answers, "/api/ai/usage": (200, usage)}
            Answering.answer(self)

        def do_POST(self) -> None:
            calls.release()

    handler = type("Handler", (Handler,), {"answers": MODELS, "kind": "application/json"})
    with serving(handler) as server:
        finding = judge("leaves", replace_patience(target(f"http://127.0.0.1:{server.server_address[1]}"), 1.0))
    assert finding.outcome is Outcome.PASS, finding
    assert seen >= 2


def replace_patience(at: Target, seconds: float) -> Target:
    at.options = replace(at.options, patience=seconds)
    return at


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


class Verifying(Answering):
    """As the app does: by the SDK of Stripe itself."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            stripe.WebhookSignature.verify_header(body.decode(), self.headers["Stripe-Signature"], "made up", 300)
            self.status = 200
        except stripe.SignatureVerificationError:
            self.status = 400
        self.body = b'{"code": "invalid_signature"}'
        Careless.answer(self)


@pytest.mark.parametrize(("secret", "outcome"), [("made up", Outcome.PASS), ("made up, older", Outcome.PASS), ("another", Outcome.FAIL)])
def test_events_are_signed_as_stripe_signs(secret: str, outcome: Outcome) -> None:
    with serving(Verifying) as server:
        assert judge("webhook", target(f"http://127.0.0.1:{server.server_address[1]}", webhook_secret=secret)).outcome is outcome


def test_an_origin_that_is_not_allowed() -> None:
    with serving(type("Handler", (Careless,), {"send_header": _without_cors})) as server:
        at = f"http://127.0.0.1:{server.server_address[1]}"
        assert judge("cors", target(at)).outcome is Outcome.PASS
        finding = judge("cors", target(at, origin="https://www.contoso.com"))
    assert (finding.outcome, "CORS_ORIGINS" in finding.detail) == (Outcome.FAIL, True)


def _without_cors(self: Careless, name: str, value: str) -> None:
    if not name.startswith("Access-Control"):
        super(Careless, self).send_header(name, value)
