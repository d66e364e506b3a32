"""Devices: their names, and who is told of a new one."""

from collections.abc import AsyncIterator

import httpx
import pytest

from shared_code.auth.devices import KEPT, UNKNOWN, fingerprint, name_of, seen
from shared_code.auth.tables import USERS
from shared_code.mail.ports import Mail
from shared_code.storage.ports import Merge
from tests.unit.apps import App, login, make_app, register

EMAIL = "ada@example.com"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"
ANDROID = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        (ANDROID, "Chrome on Android"),
        (WINDOWS, "Chrome on Windows"),
        (f"{WINDOWS} Edg/142.0.0.0", "Edge on Windows"),
        (f"{WINDOWS} OPR/120.0.0.0", "Opera on Windows"),
        (f"{IPHONE} Safari/604.1", "Safari on iPhone"),
        (f"{IPHONE} CriOS/142.0 Safari/604.1", "Chrome on iPhone"),
        (IPHONE, "an app on iPhone"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.6 Safari/605.1.15", "Safari on macOS"),
        ("curl/8.5.0", "curl"),
        ("python-httpx/0.28.1", "python-httpx"),
        ("MyApp/1.0 CFNetwork/1568 Darwin/24.0.0", "MyApp on macOS"),
        ("Mozilla/5.0", UNKNOWN),
        ("", UNKNOWN),
        ("<script>alert(1)</script>", UNKNOWN),
        ("\r\nBcc: x@example.com", "Bcc"),
        ("x" * 10_000, "x" * 40),
    ],
)
def test_names(user_agent: str, name: str) -> None:
    assert name_of(user_agent) == name


def test_a_version_makes_no_device() -> None:
    assert fingerprint(FIREFOX) == fingerprint(FIREFOX.replace("144.0", "145.0")) != fingerprint(ANDROID)


def test_the_last_twenty_are_kept() -> None:
    devices: tuple[str, ...] = ()
    for n in range(KEPT + 5):
        devices = seen(devices, f"d{n}")
    assert (len(devices), devices[0], devices[-1]) == (KEPT, "d5", f"d{KEPT + 4}")
    assert seen(devices, "d5")[-1] == "d5"
    assert len(seen(devices, "d5")) == KEPT


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> App:
    return make_app()


@pytest.fixture
async def client(app: App) -> AsyncIterator[httpx.AsyncClient]:
    async with app.client(headers={"User-Agent": FIREFOX}) as client:
        yield client


@pytest.fixture
def mails(app: App, monkeypatch: pytest.MonkeyPatch) -> list[Mail]:
    sent: list[Mail] = []

    async def send(mail: Mail) -> None:
        sent.append(mail)

    monkeypatch.setattr(app.container.mailer, "send", send)
    return sent


async def test_the_owner_hears_of_a_device_once(app: App, client: httpx.AsyncClient, mails: list[Mail]) -> None:
    user = (await register(client, EMAIL, name="Ada"))["user"]["id"]
    await app.settled()
    mails.clear()
    for agent, told in ((FIREFOX, 0), (FIREFOX.replace("144", "145"), 0), (ANDROID, 1), (ANDROID, 1), (FIREFOX, 1), ("curl/8.5.0", 2)):
        assert (await login(client, EMAIL, **{"User-Agent": agent})).status_code == 200
        await app.settled()
        assert len(mails) == told, agent
    assert [mail.template for mail in mails] == ["new_device", "new_device"]
    assert (mails[0].to, mails[0].name) == (EMAIL, None), "nobody has confirmed that the name goes with the address"
    assert mails[0].values == {"device": "Chrome on Android", "address": "192.0.2.1", "time": "2026-01-01T00:00:00.000Z"}
    assert mails[0].key.startswith("new_device:")
    rows = await app.storage.tables.query("audit20260101")
    assert sum(row.values.get("kind") == "new_device" for row in rows) == 2
    row = await app.storage.tables.get(USERS, user, "user")
    assert row is not None
    assert (len(str(row.values["devices"]).split()), row.values["last_sign_in_at"]) == (3, app.clock.now())


async def test_a_failure_is_no_device(app: App, client: httpx.AsyncClient, mails: list[Mail]) -> None:
    await register(client, EMAIL)
    await login(client, EMAIL, "wrong password", **{"User-Agent": ANDROID})
    await login(client, EMAIL, **{"User-Agent": ANDROID})
    await app.settled()
    assert sum(mail.template == "new_device" for mail in mails) == 1


async def test_an_account_that_knows_none_learns_its_first(app: App, client: httpx.AsyncClient, mails: list[Mail]) -> None:
    user = (await register(client, EMAIL))["user"]["id"]
    await app.storage.tables.apply(USERS, user, Merge("user", {"devices": ""}))
    await login(client, EMAIL)
    await login(client, EMAIL, **{"User-Agent": ANDROID})
    await app.settled()
    assert sum(mail.template == "new_device" for mail in mails) == 1


async def test_a_queue_that_is_down_stops_no_sign_in(app: App, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    await register(client, EMAIL)

    async def down(*_: object, **__: object) -> None:
        raise OSError("down")

    monkeypatch.setattr(app.container.events, "send", down)
    assert (await login(client, EMAIL, **{"User-Agent": ANDROID})).status_code == 200
