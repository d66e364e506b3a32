"""The preflight against our own host: nothing fails, and what cannot be seen on one machine says so."""

from collections.abc import Iterator

import pytest

from local.preflight.checks import CHECKS
from local.preflight.report import Check, Outcome, run
from local.preflight.target import Options, Target
from tests.integration.support import register, running_host

SEEN = {
    "headers", "well-known", "root", "errors", "non-ascii", "cors", "token", "webhook", "limit", "blob-trigger", "direct", "queue", "timer",
    "leaves", "parallel",
}  # fmt: skip


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with running_host(tmp_path_factory.mktemp("preflight"), FUNCTIONS_REQUEST_BODY_SIZE_LIMIT=str(Options.body_limit)) as host:
        with register(host.url, "admin@example.com") as admin:
            token = admin.headers["Authorization"].removeprefix("Bearer ")
        found = Target(host.url, token, Options(streams=5, patience=20, origin="http://localhost:3000"))
        with found.client:
            yield found


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_our_own_host_passes(check: Check, target: Target) -> None:
    if check.name == "timer":  # the host fires none by itself here
        assert target.client.post("/admin/functions/common_probe", json={}).status_code == 202
    finding = run(check, target)
    wanted = Outcome.PASS if check.name in SEEN else Outcome.UNKNOWN
    assert finding.outcome is wanted, finding.detail


def test_it_leaves_nothing_behind(target: Target) -> None:
    assert target.ask("GET", "/api/files", params={"status": "all"})["items"] == []
