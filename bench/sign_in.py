"""A sign-in's time, split into its Argon2 and the rest, over HTTP on a real Azurite.

    python bench/sign_in.py [sign-ins per round]

The peer is Argon2 alone, with the app's own parameters and password, in rounds that alternate with the app's: what no sign-in
can be faster than. One sign-in at a time, each of an account that has signed in before from this device.
"""

import json
import sys
import time

from support import PASSWORD, Server, Setup, banner, call, median, spread, table, verdict

from shared_code.auth import passwords

ROUNDS = 7
GOAL = 0.5
"""Argon2's share of a sign-in that we want at least: what is slow should be what an attacker has to pay for too."""


def account(app: Server) -> bytes:
    body = json.dumps({"email": "bench@example.com", "password": PASSWORD}).encode()
    call(f"{app.url}/api/auth/register", body=body)
    return body


def timed_sign_ins(app: Server, body: bytes, count: int) -> tuple[float, float]:
    """Milliseconds of a sign-in: by the clock, and of the app's CPU."""
    cpu, began = app.cpu(), time.perf_counter()
    for _ in range(count):
        call(f"{app.url}/api/auth/login", body=body)
    return (time.perf_counter() - began) / count * 1000, (app.cpu() - cpu) / count * 1000


def timed_argon2(stored: str, count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        passwords._HASHER.verify(stored, PASSWORD)
    return (time.perf_counter() - began) / count * 1000


def main(count: int) -> None:
    banner("A sign-in, and Argon2id alone (19 MiB, 2 passes, 1 lane: OWASP's minimum)")
    with Setup() as setup:
        app = setup.app(setup.azurite(), AUTH_LOCK_ADDRESS="off", AUTH_REGISTER_ADDRESS="off")
        body, stored = account(app), passwords._HASHER.hash(PASSWORD)
        timed_sign_ins(app, body, 5)  # imports and connections are no part of it
        rounds = [(*timed_sign_ins(app, body, count), timed_argon2(stored, count)) for _ in range(ROUNDS)]
    whole, cpu, argon2 = (list(column) for column in zip(*rounds, strict=True))
    rest = [a - b for a, b in zip(whole, argon2, strict=True)]
    rows = [
        ("sign-in, by the clock", spread(whole, 1)),
        ("Argon2 alone", spread(argon2, 1)),
        ("the rest: HTTP, storage calls, signing", spread(rest, 1)),
        ("sign-in, the app's CPU", spread(cpu, 1)),
    ]
    table(("ms", "median (lowest–highest)"), rows)
    verdict("Argon2 / sign-in", median([b / a for a, b in zip(whole, argon2, strict=True)]), GOAL)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
