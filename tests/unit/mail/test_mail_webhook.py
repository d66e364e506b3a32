"""SendGrid's event webhook: who may report, and what a report does."""

import base64
import json
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared_code.errors import StorageUnavailable
from shared_code.mail.suppressions import TABLE
from tests.unit.apps import App, make_app

PRIVATE = ec.generate_private_key(ec.SECP256R1())
DER = PRIVATE.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
PUBLIC = base64.b64encode(DER).decode()
PATH = "/api/webhooks/sendgrid"
SIGNATURE, TIMESTAMP = "X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp"


def signed(app: App, body: bytes, *, key: EllipticCurvePrivateKey = PRIVATE, age: int = 0) -> dict[str, str]:
    timestamp = str(int(app.clock.now().timestamp()) - age)
    signature = key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    return {SIGNATURE: base64.b64encode(signature).decode(), TIMESTAMP: timestamp}


async def post(app: App, reports: Any, headers: dict[str, str] | None = None) -> httpx.Response:
    body = reports if isinstance(reports, bytes) else json.dumps(reports).encode()
    async with app.client() as client:
        return await client.post(PATH, content=body, headers=signed(app, body) if headers is None else headers)


@pytest.fixture
def app() -> App:
    return make_app(SENDGRID_WEBHOOK_PUBLIC_KEY=PUBLIC)


def report(event: str, email: str = "ada@example.com", number: int = 1, **more: Any) -> dict[str, Any]:
    return {"event": event, "email": email, "sg_event_id": f"e{number}", "timestamp": 1767225600, "lydian_message_id": "m1", **more}


async def reasons(app: App, *addresses: str) -> list[str | None]:
    return [await app.container.mail_suppressions.reason(address) for address in addresses or ("ada@example.com",)]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (report("bounce", type="bounce"), "bounce"),
        (report("bounce"), "bounce"),
        (report("bounce", type="blocked"), None),
        (report("dropped", reason="Bounced Address"), "bounce"),
        (report("dropped", reason="Spam Reporting Address"), "spamreport"),
        (report("dropped", reason="Unsubscribed Address"), "unsubscribe"),
        (report("dropped", reason="Invalid"), "invalid"),
        (report("dropped", reason="Spam Content"), None),
        (report("dropped"), None),
        (report("spamreport"), "spamreport"),
        (report("unsubscribe"), "unsubscribe"),
        *((report(event), None) for event in ("delivered", "processed", "deferred", "open", "click", "something_new")),
    ],
)
async def test_what_a_report_does(app: App, event: dict[str, Any], reason: str | None) -> None:
    answer = await post(app, [event])
    assert (answer.status_code, answer.content) == (204, b"")
    assert await reasons(app) == [reason]
    assert await reasons(app, " ADA@Example.com") == [reason], "however it is written"
    assert "ada" not in str(await app.storage.tables.query(TABLE))


async def test_repeated_and_out_of_order(app: App) -> None:
    bounce, delivered, spam = report("bounce"), report("delivered", number=2), report("spamreport", number=3)
    for batch in ([bounce], [delivered], [bounce, delivered], [spam, bounce], [bounce, bounce]):
        assert (await post(app, batch)).status_code == 204
    assert await reasons(app) == ["bounce"]
    assert len(await app.storage.tables.query(TABLE)) == 1


async def test_one_bad_report_loses_no_other(app: App) -> None:
    bad = [
        None,
        1,
        "x",
        [],
        {},
        {"event": "bounce"},
        report("bounce", email="\r\n"),
        {"event": "bounce", "email": 5},
        {"event": ["x"], "email": "a@b.c"},
    ]
    odd = [report("spamreport", "b@example.com", timestamp=when) for when in ("x", None, 10**30, -1.5, [])]
    odd[1]["sg_event_id"] = {"a": "x" * 9999}
    assert (await post(app, [*bad, report("bounce"), *odd, {"email": "c@example.com", "event": "unsubscribe"}])).status_code == 204
    assert await reasons(app, "ada@example.com", "b@example.com", "c@example.com") == ["bounce", "spamreport", "unsubscribe"]
    assert len(await app.storage.tables.query(TABLE)) == 3


async def test_storage_that_fails_once_loses_no_report(app: App) -> None:
    failures = [StorageUnavailable("down")]

    def fail(verb: str, table: str) -> None:
        if table == TABLE and failures:
            raise failures.pop()

    app.tables.before = fail
    batch = [report("bounce"), report("bounce", "b@example.com", 2)]
    assert (await post(app, batch)).status_code == 503, "SendGrid comes again"
    assert await reasons(app, "ada@example.com", "b@example.com") == [None, "bounce"]
    assert (await post(app, batch)).status_code == 204
    assert await reasons(app) == ["bounce"]


async def test_signatures_that_are_none(app: App) -> None:
    body = json.dumps([report("bounce")]).encode()
    good = signed(app, body)
    other = signed(app, body, key=ec.generate_private_key(ec.SECP256R1()))
    for headers in (
        {},
        {SIGNATURE: good[SIGNATURE]},
        {TIMESTAMP: good[TIMESTAMP]},
        other,
        {**good, TIMESTAMP: str(int(good[TIMESTAMP]) + 1)},
        {**good, TIMESTAMP: f"+{good[TIMESTAMP]}"},
        {**good, TIMESTAMP: "9" * 40},
        {**good, TIMESTAMP: ""},
        {**good, SIGNATURE: ""},
        {**good, SIGNATURE: "%%%"},
        {**good, SIGNATURE: "A" * 5000},
        {**good, SIGNATURE: base64.b64encode(b"\x30\x06\x02\x01\x00\x02\x01\x00").decode()},
        {**good, SIGNATURE: base64.b64encode(b"\x00" * 64).decode()},
        signed(app, body + b" "),
        signed(app, body, age=4 * 86400),
        signed(app, body, age=-3600),
    ):
        answer = await post(app, body, headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_signature"), headers
    assert await reasons(app) == [None]
    assert (await post(app, body, good)).status_code == 204
    assert (await post(app, body, signed(app, body, age=86400))).status_code == 204, "SendGrid repeats for a day"


async def test_the_bytes_are_what_is_signed(app: App) -> None:
    body = b' [ {"event":"bounce","email":"ada\\u0040example.com"} ]\r\n'
    assert (await post(app, body)).status_code == 204
    assert await reasons(app) == ["bounce"]


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"{}", "invalid_events"), (b"null", "invalid_events"), (b"", "invalid_json"), (b"[", "invalid_json"), (b"[" * 200, "invalid_json")],
)
async def test_a_signed_body_that_is_no_list(app: App, body: bytes, code: str) -> None:
    answer = await post(app, body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_an_empty_list_and_a_body_that_is_too_large(app: App) -> None:
    assert (await post(app, [])).status_code == 204
    assert (await post(app, b" " * (1024 * 1024 + 1), {})).status_code == 413


RSA = rsa.generate_private_key(65537, 2048).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("key", ["", "garbage", base64.b64encode(b"nothing").decode(), base64.b64encode(RSA).decode()])
async def test_without_a_usable_key(key: str) -> None:
    answer = await post(make_app(SENDGRID_WEBHOOK_PUBLIC_KEY=key), [report("bounce")])
    assert (answer.status_code, answer.json()["code"]) == (503, "mail_not_configured")


async def test_a_key_as_pem() -> None:
    pem = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for written in (pem, pem.replace("\n", "\\n"), pem.replace("\n", " ")):
        assert (await post(make_app(SENDGRID_WEBHOOK_PUBLIC_KEY=written), [])).status_code == 204


async def test_a_suppressed_address_gets_no_mail(app: App) -> None:
    from shared_code.mail.ports import Mail

    await post(app, [report("spamreport")])
    await app.container.mailer.send(Mail("Ada@Example.com", "alert", {"title": "t"}))
    await app.container.mailer.send(Mail("bob@example.com", "alert", {"title": "t"}))
    await app.settled()
    assert app.container.mail_outbox is not None
    assert [mail.to for mail in await app.container.mail_outbox.page(after=None, limit=9)] == ["bob@example.com"]
