"""The local outbox, by its route and its limits."""

import pytest
import structlog

from shared_code import ids
from shared_code.mail.outbox import KEPT, TABLE, TRIMMED_EVERY, Outbox
from shared_code.mail.ports import Mail, Message
from shared_code.mail.records import PREFIX
from tests.unit.apps import App, bearer, make_app, register

PATH, ADMIN = "/api/mail/outbox", "admin@example.com"


@pytest.fixture
def app() -> App:
    return make_app(ENVIRONMENT="local", ADMIN_EMAILS=ADMIN)


async def admin_token(app: App) -> str:
    async with app.client() as client:
        token: str = (await register(client, ADMIN))["access_token"]
    await app.settled()
    for row in await app.storage.tables.query(TABLE):  # registering may have sent some
        await app.container.mail_outbox._remove(row.key)  # type: ignore[union-attr]  # local
    return token


async def test_mails_newest_first(app: App) -> None:
    token = await admin_token(app)
    with structlog.testing.capture_logs() as logs:
        for number in range(3):
            link = f"https://app.example.com/?token=secret{number}"
            await app.container.mailer.send(Mail(f"u{number}@example.com", "verify_email", {"link": link}, name="Ada"))
            await app.settled()
    told = [log for log in logs if log["event"] == "mail_in_outbox"]
    assert [(log["to"], log["template"]) for log in told] == [("u…@example.com", "verify_email")] * 3
    assert "secret" not in str(logs)
    async with app.client(headers=bearer(token)) as client:
        first = (await client.get(PATH, params={"limit": 2})).json()
        second = (await client.get(PATH, params={"limit": 2, "cursor": first["next_cursor"]})).json()
        assert (await client.get(PATH, params={"cursor": "x"})).json()["code"] == "invalid_cursor"
    items = first["items"] + second["items"]
    assert [item["to"] for item in items] == ["u2@example.com", "u1@example.com", "u0@example.com"]
    assert second["next_cursor"] is None
    assert set(items[0]) == {"to", "subject", "template", "text", "html", "created_at", "status"}
    assert items[0]["status"] == "outbox"
    assert items[0]["created_at"] == "2026-01-01T00:00:00.000Z"
    assert "token=secret2" in items[0]["text"]
    assert "token=secret2" in items[0]["html"]


async def test_one_key_is_one_mail(app: App) -> None:
    for _ in range(2):
        await app.container.mailer.send(Mail("a@example.com", "alert", {"title": "t"}, key="k"))
    await app.settled()
    assert len(await app.storage.tables.query(TABLE)) == 1
    [row] = await app.storage.tables.query(f"{PREFIX}20260101")
    assert row.values["status"] == "outbox"


async def test_who_may_read_it(app: App) -> None:
    async with app.client() as client:
        assert (await client.get(PATH)).status_code == 401
        user = await register(client)
        answer = await client.get(PATH, headers=bearer(user["access_token"]))
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_there_is_none_where_mail_is_sent() -> None:
    app = make_app(ENVIRONMENT="local", ADMIN_EMAILS=ADMIN, SENDGRID_API_KEY="k" * 20)
    async with app.client() as client:
        token = (await register(client, ADMIN))["access_token"]
        answer = await client.get(PATH, headers=bearer(token))
    assert (answer.status_code, answer.json()["code"]) == (404, "outbox_not_available")


async def test_the_home_page_tells_where_it_is(app: App) -> None:
    html = {"Accept": "text/html"}
    async with app.client() as client:
        assert PATH in (await client.get("/", headers=html)).text
    async with make_app(SENDGRID_API_KEY="k" * 20).client() as client:
        assert PATH not in (await client.get("/", headers=html)).text


async def fill(app: App, outbox: Outbox, number: int) -> None:
    for _ in range(number):
        await outbox.put(Message("m", "a@example.com", "", "s", "t", "h"), "alert", ids.new_id(app.clock.now()))


async def test_it_keeps_the_last_500_for_a_week(app: App) -> None:
    outbox = app.container.mail_outbox
    assert outbox is not None
    await fill(app, outbox, KEPT + TRIMMED_EVERY)
    newest = await outbox.page(after=None, limit=1000)
    assert len(newest) == KEPT, "it trims itself, without a night"
    await fill(app, outbox, 3)
    assert await outbox.trim() == 3
    assert await outbox.trim() == 0
    app.clock.advance(7 * 86400)
    await fill(app, outbox, 1)
    assert await outbox.trim() == KEPT
    assert len(await outbox.page(after=None, limit=1000)) == 1


async def test_a_mail_larger_than_a_property(app: App) -> None:
    outbox = app.container.mail_outbox
    assert outbox is not None
    await outbox.put(Message("m", "a@example.com", "", "s", "😀" * 20_000, "h" * 40_000), "alert", ids.new_id(app.clock.now()))
    assert len((await outbox.page(after=None, limit=1))[0].text) == 16_000


async def test_the_nightly_purge(app: App) -> None:
    timer = next(each for each in app.functions.get_functions() if each.get_function_name() == "mail_purge").get_user_function()
    await app.container.mailer.send(Mail("a@example.com", "alert", {"title": "t"}))
    await app.settled()
    await timer(None)
    assert f"{PREFIX}20260101" in await app.storage.tables.list_tables()
    assert len(await app.storage.tables.query(TABLE)) == 1
    app.clock.advance(31 * 86400)
    for _ in range(2):
        await timer(None)
    assert await app.storage.tables.list_tables(PREFIX) == []
    assert await app.storage.tables.query(TABLE) == []
