"""Lockout and the second factor over real HTTP, through the local host and a real Azurite."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx

from shared_code.clock import SystemClock
from tests.integration.support import NO_TLS, PASSWORD, User, problem
from tests.unit.auth.totp_app import code

CLOCK = SystemClock()


def email_of(user: User) -> str:
    return str(user.get("/api/auth/me").json()["email"])


def test_a_second_factor(alice: User, client: httpx.Client) -> None:
    email = email_of(alice)
    answer = alice.post("/api/auth/mfa/totp")
    secret = answer.json()["secret"]
    assert (answer.status_code, f"secret={secret}" in answer.json()["otpauth_uri"]) == (200, True)
    recovery = alice.post("/api/auth/mfa/totp/confirm", json={"code": code(secret, CLOCK)}).json()["recovery_codes"]
    problem(alice.post("/api/auth/mfa/totp"), 409, "mfa_already_enabled")
    # The next step's code: the device's clock may be ahead, and this one has been used.
    for typed in (code(secret, CLOCK, 1), recovery[0]):
        asked = problem(client.post("/api/auth/login", json={"email": email, "password": PASSWORD}), 401, "mfa_required")
        sent = {"mfa_token": asked["mfa_token"], "code": typed}
        signed_in = client.post("/api/auth/login/mfa", json=sent)
        assert signed_in.status_code == 200, signed_in.text
        assert signed_in.json()["user"]["mfa_enabled"]
        problem(client.post("/api/auth/login/mfa", json=sent), 401, "invalid_mfa_token")
    assert alice.delete("/api/auth/mfa/totp").status_code == 204
    assert client.post("/api/auth/login", json={"email": email, "password": PASSWORD}).status_code == 200


def test_guesses_sent_at_once(base_url: str, alice: User) -> None:
    for email in (email_of(alice), f"nobody-{uuid4().hex}@example.com"):

        def guess(n: int, email: str = email) -> httpx.Response:
            sent = {"email": email, "password": f"wrong password {n}"}
            return httpx.post(f"{base_url}/api/auth/login", json=sent, timeout=60, verify=NO_TLS)

        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(guess, range(10)))
        assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 5
        locked = next(answer for answer in answers if answer.status_code == 429)
        problem(locked, 429, "rate_limited")
        assert 890 < int(locked.headers["retry-after"]) <= 900
        assert locked.headers["ratelimit-limit"] == "5"
