"""How these tests look at a deployment, with little patience."""

import json

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from local.preflight import report
from local.preflight.checks import CHECKS
from local.preflight.report import Check, run
from local.preflight.target import Options, Target
from tests.unit.preflight.servers import Careless, serving

BY_NAME = {check.name: check for check in CHECKS}
TOKEN = jwt.encode({"sub": "u", "iss": "i", "exp": 4102444800}, ec.generate_private_key(ec.SECP256R1()), "ES256", headers={"kid": "k"})


def target(url: str, token: str = TOKEN, **options: object) -> Target:
    return Target(url, token, Options(patience=0.05, streams=2, long=True, **options))  # type: ignore[arg-type]


def judge(check: str, at: Target) -> report.Finding:
    with at.client:
        return run(BY_NAME[check], at)


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
