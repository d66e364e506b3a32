"""The webhook's route: only what Stripe signed comes in, once, and is acknowledged at once; and who may look into the inbox."""

import asyncio
import json
from typing import Any

import pytest

from shared_code.storage.events import Event
from tests.unit.apps import bearer
from tests.unit.payments.hooks import MINUTE, PATH, deliver, event, events_of, post, unpaced
from tests.unit.payments.shop import WEBHOOK, Customer, Shop

OTHER = "whsec_" + "fedcba9876543210"


async def listed(admin: Customer, **query: Any) -> list[dict[str, Any]]:
    answer = await admin.get("/api/payments/events", **query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


BAD: list[tuple[str, dict[str, Any]]] = [
    ("signed with another secret", {"secret": OTHER}),
    ("six minutes old", {"age": 6 * MINUTE}),
    ("six minutes ahead", {"age": -6 * MINUTE}),
    ("signed with nothing", {"stripe-signature": ""}),
    ("no signature at all", {"stripe-signature": "v1=" + "0" * 64}),
]


@pytest.mark.parametrize(("what", "how"), BAD, ids=[what for what, _ in BAD])
async def test_what_stripe_did_not_sign_just_now_is_refused_and_not_kept(what: str, how: dict[str, Any], shop: Shop) -> None:
    shop.app.tables.calls.clear()
    answer = await post(shop.app, event(), **how)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_signature")
    assert shop.app.tables.calls == [], "strangers cost no storage"


async def test_unsigned_truncated_and_altered_bodies(shop: Shop) -> None:
    admin, body = await shop.admin(), json.dumps(event()).encode()
    good = (await post(shop.app, event("evt_other"))).request.headers["stripe-signature"]
    async with shop.app.client() as client:
        for content, headers in (
            (body, {}),
            (body, {"stripe-signature": good}),
            (body[:-1], {"stripe-signature": good}),
            (b"", {"stripe-signature": good}),
        ):
            answer = await client.post(PATH, content=content, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_signature")
    truncated = await post(shop.app, body, **{"stripe-signature": (await post(shop.app, body + b" ")).request.headers["stripe-signature"]})
    assert truncated.status_code == 400
    assert {each["id"] for each in await listed(admin)} == {"evt_other", "evt_1"}


async def test_five_mebibytes_are_refused_before_they_are_read(shop: Shop) -> None:
    answer = await post(shop.app, b"x" * (5 * 1024 * 1024))
    assert answer.status_code == 413

    async def chunks() -> Any:
        for number in range(80):
            read.append(number)
            yield b"x" * 65_536

    read: list[int] = []
    async with shop.app.client() as client:
        answer = await client.post(PATH, content=chunks(), headers={"stripe-signature": "t=1,v1=" + "0" * 64})
    assert answer.status_code == 413
    assert shop.app.tables.calls == []


async def test_signed_and_still_no_event(shop: Shop) -> None:
    for body in (b"", b"[]", b"{}", b'{"id": "evt_1"', json.dumps(event(created="soon")).encode()):  # type: ignore[arg-type]
        answer = await post(shop.app, body)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_event")


async def test_a_replayed_delivery_is_acknowledged_and_changes_nothing(shop: Shop) -> None:
    """Somebody who recorded it sends it again within the five minutes; Stripe does so too."""
    admin = await shop.admin()
    first = await post(shop.app, event())
    shop.app.clock.advance(4 * 60)
    again = await post(shop.app, event(), age=4 * MINUTE)
    assert (first.json(), again.json()) == ({"received": True, "duplicate": False}, {"received": True, "duplicate": True})
    shop.app.clock.advance(120)
    late = await post(shop.app, event(), age=6 * MINUTE)
    assert late.status_code == 400
    assert len(await listed(admin)) == 1


async def test_twenty_deliveries_at_once_are_one_event(shop: Shop) -> None:
    ada, admin = await shop.user(), await shop.admin()
    await ada.paid()
    [succeeded] = await events_of(shop, "payment_intent.succeeded")
    unpaced(shop.app)
    shop.wire.requests.clear()
    answers = await asyncio.gather(*(post(shop.app, succeeded) for _ in range(20)))
    await shop.app.settled()
    assert [answer.status_code for answer in answers] == [200] * 20
    assert sorted(answer.json()["duplicate"] for answer in answers) == [False] + [True] * 19
    [shown] = await listed(admin)
    assert shown["status"] == "processed"
    assert len(shop.wire.calls) < 20, "fetches of one object at one time are one"


async def test_both_secrets_hold_while_one_is_rotated() -> None:
    shop = Shop(STRIPE_WEBHOOK_SECRET=f"{OTHER},{WEBHOOK}")
    for number, secret in enumerate((OTHER, WEBHOOK)):
        assert (await post(shop.app, event(f"evt_{number}", "price.created"), secret=secret)).status_code == 200
    assert (await post(shop.app, event("evt_9"), secret="whsec_" + "0" * 16)).status_code == 400
    await shop.aclose()


@pytest.mark.parametrize("secret", ["", " , "])
async def test_without_a_secret_nothing_is_taken_unverified(secret: str) -> None:
    shop = Shop(STRIPE_WEBHOOK_SECRET=secret)
    for signed_with in (WEBHOOK, ""):
        answer = await post(shop.app, event(), secret=signed_with)
        assert (answer.status_code, answer.json()["code"]) == (503, "payments_not_configured")
    assert shop.app.tables.calls == []
    await shop.aclose()


class Queue:
    """Where the inbox asks for the processing."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Event]] = []

    async def send(self, service: str, event: Event, *, delay: int = 0) -> None:
        self.sent.append((service, event))


async def test_the_acknowledgment_is_one_batch_and_one_message(shop: Shop) -> None:
    queue = Queue()
    shop.app.container.__dict__["events"] = queue
    shop.app.tables.calls.clear()
    assert (await post(shop.app, event())).status_code == 200
    assert shop.app.tables.calls == ["write stripeevents20260101"]
    table, key = "stripeevents20260101", "e:8232774399:evt_1"
    assert queue.sent == [("payments", {"kind": "stripe_event", "table": table, "key": key})]
    # One that is here and done: the batch that finds it, and a look at what became of it.
    await shop.app.container.payments_processor.process(table, key)
    shop.app.tables.calls.clear()
    shop.wire.requests.clear()
    assert (await post(shop.app, event())).json()["duplicate"] is True
    assert shop.app.tables.calls == [f"write {table}", f"get {table}"]
    assert (len(queue.sent), shop.wire.requests) == (1, []), "Stripe is asked when the event is processed"


async def test_a_newer_version_and_an_unknown_type(shop: Shop) -> None:
    ada, admin = await shop.user(), await shop.admin()
    paid = await ada.paid()
    newer = event(
        "evt_new", subject={"id": paid["id"], "amount": {"moved": True}, "status": "settled"}, api_version="2031-01-01.later", livemode=[]
    )
    await deliver(shop, [newer, event("evt_odd", "starship.launched"), event("evt_none", "account.updated", subject={"id": "acct_1"})])
    found = {each["id"]: each for each in await listed(admin)}
    assert {name: each["status"] for name, each in found.items()} == {"evt_new": "processed", "evt_odd": "ignored", "evt_none": "ignored"}
    assert found["evt_new"]["api_version"] == "2031-01-01.later"
    assert (await ada.get(f"/api/payments/{paid['id']}")).json()["status"] == "succeeded", "the event's own copy was not believed"


async def test_an_event_of_what_stripe_no_longer_has(shop: Shop) -> None:
    admin = await shop.admin()
    await deliver(shop, [event(subject={"id": "pi_gone"})])
    [shown] = await listed(admin)
    assert (shown["status"], shown["error"]) == ("processed", None)


async def test_the_list_runs_in_pages_and_by_status(shop: Shop) -> None:
    admin = await shop.admin()
    start = int(shop.app.clock.now().timestamp())
    kinds = ("price.created", "payment_intent.created")
    await deliver(shop, [event(f"evt_{n}", kinds[n % 2], start - n * 40_000, subject={"id": "pi_x"}) for n in range(7)])
    seen, cursor = list[str](), None
    while True:
        answer = (await admin.get("/api/payments/events", limit=3, **({"cursor": cursor} if cursor else {}))).json()
        seen += [each["id"] for each in answer["items"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"evt_{n}" for n in range(7)]
    assert [each["id"] for each in await listed(admin, status="ignored")] == ["evt_0", "evt_2", "evt_4", "evt_6"]
    first = (await admin.get("/api/payments/events", status="ignored", limit=2)).json()
    rest = (await admin.get("/api/payments/events", status="ignored", limit=2, cursor=first["next_cursor"])).json()
    assert ([each["id"] for each in rest["items"]], rest["next_cursor"]) == (["evt_4", "evt_6"], None)
    for query in ({"status": "lost"}, {"cursor": "x"}, {"limit": 0}, {"cursor": first["next_cursor"]}):
        assert (await admin.get("/api/payments/events", **query)).status_code in (400, 422), query


async def test_a_failed_one_is_shown_and_replayed(shop: Shop) -> None:
    ada, admin = await shop.user(), await shop.admin()
    paid = await ada.paid()
    await shop.control("faults", {"api": [{"fault": "429", "method": "GET"}]})
    [succeeded] = await events_of(shop, "payment_intent.succeeded")
    await deliver(shop, [succeeded])
    [failed] = await listed(admin, status="failed")
    assert (failed["id"], failed["attempts"], failed["object_id"]) == (succeeded["id"], 1, paid["id"])
    assert failed["error"].startswith("stripe_rate_limited: ")
    replayed = await admin.post(f"/api/payments/events/{failed['id']}/replay")
    assert (replayed.status_code, replayed.json()["status"], replayed.json()["error"]) == (200, "processed", None)
    assert await listed(admin, status="failed") == []
    assert (await admin.post("/api/payments/events/evt_nobody/replay")).json()["code"] == "event_not_found"


async def test_who_may_look_into_the_inbox(shop: Shop) -> None:
    ada, admin = await shop.user(), await shop.admin()
    await deliver(shop, [event("evt_a", "price.created")])
    routes = [
        ("GET", "/api/payments/events"), ("POST", "/api/payments/events/evt_a/replay"), ("POST", "/api/payments/reconcile"),
        ("GET", "/api/payments/stats"),
    ]  # fmt: skip
    keys = {}
    for who, scope in ((admin, "payments"), (admin, "files"), (ada, "payments")):
        made = await who.post("/api/auth/keys", name="k", scopes=[scope])
        assert made.status_code == 201, made.text
        keys[who.user_id, scope] = made.json()["key"]
    async with shop.app.client() as nobody:
        for method, path in routes:
            assert (await nobody.request(method, path)).status_code == 401
            assert (await ada.http.request(method, path)).status_code == 403
            assert (await admin.http.request(method, path)).status_code == 200
            for (user_id, scope), key in keys.items():
                answer = await nobody.request(method, path, headers=bearer(key))
                allowed = user_id == admin.user_id and scope == "payments"
                assert answer.status_code == (200 if allowed else 403), (method, path, scope)
