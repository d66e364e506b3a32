"""What each rule finds, where its limits are, and what it says when it cannot tell."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shared_code.clock import ManualClock
from shared_code.errors import UpstreamFailed, UpstreamTimeout
from shared_code.monitoring import alert_rules as rules
from shared_code.monitoring.alert_rules import Finding, Rule
from shared_code.monitoring.ports import Drift
from shared_code.monitoring.queues import QueueRoom
from shared_code.monitoring.slo import Recent
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.ports import Upsert
from tests.unit.apps import make_app

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def keys(rule: Rule) -> list[str] | None:
    found: Sequence[Finding] | None = await rule.find()
    if found is None:
        return None
    assert {finding.rule for finding in found} <= {rule.name}, "by this name the next run finds them again"
    return [finding.key for finding in found]


async def test_a_dependency_that_is_down_for_three_minutes() -> None:
    app = make_app(STRIPE_SECRET_KEY="sk_test_1", STRIPE_API_BASE="http://127.0.0.1:9")
    down = rules.dependency_down(app.container.probe_board, app.clock)
    silent = rules.not_probed(app.container.probe_board, app.clock)
    expected = [[], [], [], ["down:stripe"], ["down:stripe"]]
    for found in expected:
        await app.container.prober.run()
        assert await keys(down) == found
        app.clock.advance(60)
    assert await keys(silent) == []
    app.clock.advance(540)
    assert await keys(silent) == ["not_probed"]
    assert await keys(down) == ["down:stripe"], "what nobody looked at has not recovered"
    app.clock.advance(86_400)
    assert await keys(silent) == [], "it runs no more"


@pytest.mark.parametrize(
    ("recent", "expected"),
    [
        (None, None),
        (Recent(49, 49, 9000), []),
        (Recent(100, 5, 3000), []),
        (Recent(100, 6, 3000), ["error_rate"]),
        (Recent(100, 0, 3000.1), ["p95"]),
        (Recent(100, 100, None), ["error_rate"]),
        (Recent(100, 50, 5000), ["error_rate", "p95"]),
    ],
)
async def test_traffic(recent: Recent | None, expected: list[str] | None) -> None:
    async def seen(minutes: int) -> Recent | None:
        assert minutes == 10
        return recent

    assert await keys(rules.traffic(seen, Decimal(5), 3000)) == expected


async def test_poison() -> None:
    storage = MemoryStorage()
    rule = rules.poison(QueueRoom(storage.queues, ManualClock(), ["a-events", "b-events"]))
    assert await keys(rule) == []
    await storage.queues.send("b-events-poison", '{"kind": "send"}')
    assert await keys(rule) == ["poison:b-events"]


@pytest.mark.parametrize(
    ("days", "fires"),
    [
        ([], None), ([5_000_000], False), ([5_000_001], True), ([0] * 7 + [4_999_999], False), ([2_000_000] * 7 + [6_000_000], False),
        ([2_000_000] * 7 + [6_000_001], True),
    ],
)  # fmt: skip
async def test_ai_spend(days: list[int], fires: bool | None) -> None:
    async def known() -> list[int]:
        return days

    assert await keys(rules.ai_spend(known)) == (None if fires is None else ["ai_spend"] if fires else [])


async def test_drift() -> None:
    known: Drift | None = None

    async def last() -> Drift | None:
        return known

    rule = rules.drift(last)
    assert await keys(rule) is None
    known = Drift(NOW, 3, {"customer": 1, "refund": 2})
    [found] = await rule.find() or []
    assert found.detail.endswith("3 objects were repaired (1 customer, 2 refund among those named).")
    known = Drift(NOW, 0, {})
    assert await keys(rule) == []


async def test_a_certificate() -> None:
    clock, asked = ManualClock(NOW), 0
    answer: datetime | Exception = NOW + timedelta(days=30)

    async def expires() -> datetime:
        nonlocal asked
        asked += 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    rule = rules.certificate(expires, clock, "api.contoso.com")
    assert await keys(rule) == await keys(rule) == []
    assert asked == 1, "every six hours"
    clock.advance(86_400 * 17)
    [found] = await rule.find() or []
    assert found.title == "The certificate of api.contoso.com expires soon"
    clock.advance(86_400 * 17)
    [found] = await rule.find() or []
    assert found.title == "The certificate of api.contoso.com has expired"
    clock.advance(86_400)
    answer = UpstreamFailed("unable to get local issuer certificate")
    [found] = await rule.find() or []
    assert (found.title, found.detail) == ("The certificate of api.contoso.com is not valid", "unable to get local issuer certificate.")
    clock.advance(86_400)
    answer = UpstreamTimeout("nobody answers there")
    for _ in range(2):
        with pytest.raises(UpstreamTimeout):
            await rule.find()
    assert asked == 6, "who could not be asked is asked again"


async def test_what_the_app_hands_in() -> None:
    """On storage where nothing has happened yet every rule can be evaluated."""
    app = make_app(PUBLIC_BASE_URL="https://127.0.0.1:9")
    found = {rule.name: rule for rule in app.container._alert_rules()}
    assert set(found) == {"dependency_down", "not_probed", "traffic", "poison", "ai_spend", "drift", "certificate"}
    for name, rule in found.items():
        if name == "certificate":
            with pytest.raises(UpstreamTimeout):
                await rule.find()
        else:
            assert await keys(rule) == (None if name == "drift" else [])
    assert "certificate" not in {rule.name for rule in make_app().container._alert_rules()}, "it has no address"


async def test_what_a_reconciliation_left() -> None:
    app = make_app()
    [rule] = [rule for rule in app.container._alert_rules() if rule.name == "drift"]
    report = {"started_at": "2026-01-01T03:30:00.000Z", "drifted": 2, "drift": [{"kind": "refund"}, {"kind": "refund"}]}
    until = {"leased_until": app.clock.now()}
    for finished, expected in ((None, None), ("2026-01-01T03:31:00.000Z", ["drift"])):
        row = Upsert("current", {"v": 1, "report": json.dumps({**report, "finished_at": finished}), **until})
        await app.storage.tables.apply("reconciliation", "stripe", row)
        assert await keys(rule) == expected
