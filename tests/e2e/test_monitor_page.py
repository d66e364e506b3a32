"""The operator page in a browser: signing in, what is shown, and what is said when there is nothing to show."""

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from functions.common.assets import url
from shared_code.errors import StorageUnavailable
from shared_code.payments.money import CURRENCIES, exponent
from tests.e2e.conftest import ADMIN, Served
from tests.unit.apps import PASSWORD, bearer
from tests.unit.auth.totp_app import code as code_of


def account(served: Served, email: str = ADMIN) -> dict[str, Any]:
    answer = httpx.post(f"{served.url}/api/auth/register", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def sign_in(page: Page, served: Served, email: str = ADMIN, password: str = PASSWORD) -> None:
    page.goto(f"{served.url}/monitor")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_label("Password").press("Enter")


def filled(page: Page, panel: str) -> Any:
    content = page.locator(f"#{panel} .content")
    expect(content).to_have_attribute("aria-busy", "false")
    return content


@pytest.fixture
def admin(served: Served, page: Page) -> Page:
    account(served)
    sign_in(page, served)
    expect(page.locator("#panels")).to_be_visible()
    return page


def test_signing_in_and_out(served: Served, page: Page, context: BrowserContext) -> None:
    account(served)
    sign_in(page, served, password="not the password")
    expect(page.get_by_role("alert")).to_contain_text("password")
    expect(page.locator("#panels")).to_be_hidden()
    sign_in(page, served)
    expect(page.locator("#state")).to_contain_text("Up to date")
    assert page.evaluate("localStorage.length") == 0
    assert context.cookies() == []
    assert page.url == f"{served.url}/monitor", "nothing of a form goes into the address"
    page.reload()
    expect(page.locator("#panels")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("alert")).to_have_text("You are signed out.")
    assert page.evaluate("sessionStorage.length") == 0
    page.reload()
    expect(page.locator("#sign-in")).to_be_visible()


def test_a_second_factor(served: Served, page: Page) -> None:
    headers = bearer(account(served)["access_token"])
    secret = httpx.post(f"{served.url}/api/auth/mfa/totp", headers=headers).json()["secret"]
    code = code_of(secret, served.app.clock)
    assert httpx.post(f"{served.url}/api/auth/mfa/totp/confirm", headers=headers, json={"code": code}).status_code == 200
    served.app.clock.advance(60)
    sign_in(page, served)
    field = page.get_by_label("Code from your app")
    expect(field).to_be_focused()
    field.fill(code_of(secret, served.app.clock))
    field.press("Enter")
    expect(page.locator("#state")).to_contain_text("Up to date")


def test_figures_are_drawn_and_said(served: Served, page: Page) -> None:
    account(served)
    for number in range(3):
        served.run(served.app.container.user_statistics.roll_up())
        served.run(served.app.container.files_statistics.roll_up())
        served.run(served.app.container.statistics.record())
        served.app.clock.advance(300)
        account(served, f"ada{number}@example.com")
    sign_in(page, served)
    tile = page.locator("#overview li").filter(has_text="Users")
    expect(tile).to_contain_text("3")
    chart = page.get_by_role("group", name="Users")
    expect(chart.locator("canvas")).to_be_visible()
    expect(chart).to_contain_text("accounts: 3, highest 3")
    page.locator("#figures").get_by_label("Show").select_option("Last month")
    expect(chart).to_contain_text("accounts: 3, highest 3")
    expect(page.get_by_role("group", name="AI cost")).to_contain_text("No points yet")


def test_poison_is_moved_back_and_said_so(served: Served, admin: Page) -> None:
    for n in range(3):
        served.run(served.app.storage.queues.send("mail-events-poison", f'{{"kind": "send", "n": {n}}}'))
    admin.get_by_role("button", name="Refresh").click()
    row = admin.locator("#queues tr").filter(has_text="mail-events")
    expect(row).to_contain_text("send (3)")
    button = row.get_by_role("button", name="Move mail-events’s poison messages back")
    button.focus()
    admin.keyboard.press("Enter")
    expect(admin.locator("#done")).to_have_text("3 messages of mail-events moved back.")
    expect(row).not_to_contain_text("send (3)")
    assert served.run(served.app.storage.queues.count("mail-events")) == 3


def test_a_test_alert_says_where_it_went(admin: Page) -> None:
    expect(filled(admin, "alerts")).to_contain_text("Nothing alarms")
    admin.get_by_role("button", name="Send a test").click()
    expect(admin.locator("#done")).to_have_text("No address is configured; no webhook is configured.")


def test_an_announcement_is_written_and_closed(served: Served, admin: Page) -> None:
    section = filled(admin, "announcements")
    section.get_by_text("Write an announcement").click()
    section.get_by_label("Title").fill("Payments are slow <b>today</b>")
    section.get_by_label("What people should know").fill("We are looking into it.")
    admin.get_by_role("button", name="Refresh").click()  # who is writing keeps what is written
    expect(admin.locator("#state")).to_contain_text("Up to date")
    section.get_by_label("Kind").select_option("incident")
    section.get_by_role("button", name="Post it").click()
    expect(admin.locator("#done")).to_have_text("The announcement is on the status page.")
    expect(section).to_contain_text("Payments are slow <b>today</b>")
    assert "Payments are slow" in httpx.get(f"{served.url}/status").text
    section.get_by_role("button", name="Close Payments are slow").click()
    expect(admin.locator("#done")).to_have_text("The announcement is closed.")
    expect(section.locator("tbody")).to_contain_text("closed")


def test_what_is_not_configured_says_so(admin: Page) -> None:
    expect(filled(admin, "overview")).to_contain_text("no figures yet")
    expect(filled(admin, "events")).to_contain_text("No event has come yet.")


def test_what_another_app_serves_is_said(served: Served, page: Page) -> None:
    token = account(served)["access_token"]
    alone = Served(SERVICES="monitoring", storage=served.app.storage)
    try:
        sign_in(page, alone)
        expect(page.get_by_role("alert")).to_have_text("Accounts are not served here. Use a token.")
        page.get_by_text("Use a token instead").click()
        field = page.get_by_label("access token or API key")
        field.fill("lyd_nobodys")
        field.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("This token is not valid, or not any more.")
        field.fill(token)
        field.press("Enter")
        expect(filled(page, "queues")).to_contain_text("mail-events")
        expect(filled(page, "events")).to_contain_text("not served here")
        expect(page.locator("#state")).to_contain_text("Up to date")
    finally:
        alone.stop()


def test_who_is_no_administrator_is_told(served: Served, page: Page) -> None:
    account(served, "ada@example.com")
    sign_in(page, served, "ada@example.com")
    expect(page.get_by_role("alert")).to_contain_text("not an administrator")
    expect(page.locator("#panels")).to_be_hidden()
    assert page.evaluate("sessionStorage.length") == 0


def test_a_key_that_may_see_nothing_is_told(served: Served, page: Page) -> None:
    token = account(served, "ada@example.com")["access_token"]
    page.goto(f"{served.url}/monitor")
    page.get_by_text("Use a token instead").click()
    page.get_by_label("access token or API key").fill(token)
    page.get_by_role("button", name="Use it").click()
    expect(filled(page, "figures")).to_contain_text("may not see this")
    expect(filled(page, "queues")).to_contain_text("may not see this")


def test_a_young_history_is_drawn_within_an_hour(served: Served, page: Page) -> None:
    """Of one point alone the library makes an axis of years."""
    page.goto(f"{served.url}/monitor")
    found = page.evaluate(
        """async (path) => {
            const { span } = await import(path);
            return [span(7200, 7200, false), span(7200, 7500, false), span(3600, 10800, false), span(7200, 7200, true)];
        }""",
        url("monitor-charts.js"),
    )
    assert found == [[3600, 7200], [3900, 7500], [3600, 10800], [3510, 7290]]


def test_storage_that_is_down_leaves_the_old_marked_and_comes_back(served: Served, admin: Page) -> None:
    filled(admin, "queues")
    count = served.app.storage.queues.count

    async def down(queue: str) -> int:
        raise StorageUnavailable("Storage does not answer.")

    served.app.storage.queues.count = down  # type: ignore[method-assign]  # as an outage has it
    admin.get_by_role("button", name="Refresh").click()
    section = admin.locator("#queues")
    expect(section).to_contain_text("What follows is old.")
    expect(section).to_contain_text("mail-events")
    expect(admin.locator("#state")).to_contain_text("of 11 panels have no figures")
    served.app.storage.queues.count = count  # type: ignore[method-assign]  # over
    admin.get_by_role("button", name="Refresh").click()
    expect(section).not_to_contain_text("What follows is old.")
    expect(section).not_to_have_class(re.compile("stale"))


def test_it_refreshes_by_itself_but_not_when_paused_or_out_of_sight(served: Served, page: Page) -> None:
    account(served)
    page.clock.install()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    def turns() -> int:
        return sum(url.endswith("/api/monitoring/queues") for url in asked)

    sign_in(page, served)
    filled(page, "queues")
    state = page.locator("#state")
    expect(state).to_contain_text("Up to date")
    assert turns() == 1
    with page.expect_response("**/api/monitoring/queues"):
        page.clock.run_for(31_000)
    expect(state).to_contain_text("Up to date")
    page.get_by_role("button", name="Pause").click()
    page.clock.run_for(120_000)
    assert turns() == 2
    page.get_by_role("button", name="Pause").click()
    with page.expect_response("**/api/monitoring/queues"):
        page.clock.run_for(1_000)
    expect(state).to_contain_text("Up to date")
    hide = """hidden => {
        Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(hide, True)
    page.clock.run_for(120_000)
    assert turns() == 3
    with page.expect_response("**/api/monitoring/queues"):
        page.evaluate(hide, False)
        page.clock.run_for(1_000)


def test_a_token_that_ran_out_is_renewed_and_an_ended_session_is_said(served: Served, admin: Page) -> None:
    expect(admin.locator("#state")).to_contain_text("Up to date")
    served.app.clock.advance(16 * 60)
    admin.get_by_role("button", name="Refresh").click()
    expect(admin.locator("#state")).to_contain_text("Up to date")
    expect(admin.locator("#panels")).to_be_visible()
    served.app.clock.advance(31 * 86_400)
    admin.get_by_role("button", name="Refresh").click()
    expect(admin.get_by_role("alert")).to_contain_text("the session has ended")
    expect(admin.locator("#sign-in")).to_be_visible()


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out(served: Served, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    account(served)
    sign_in(page, served)
    expect(page.locator("#state")).to_contain_text("Up to date")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto(served.url)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_money_is_shown_in_the_units_that_stripe_counts(served: Served, page: Page) -> None:
    page.goto(f"{served.url}/monitor")
    shown = page.evaluate(
        "async ([path, codes]) => { const { major } = await import(path); return codes.map((code) => major(1_000_000, code)); }",
        [url("monitor-dom.js"), sorted(CURRENCIES)],
    )
    assert dict(zip(sorted(CURRENCIES), shown, strict=True)) == {code: 1_000_000 / 10 ** exponent(code) for code in CURRENCIES}


def test_a_gap_is_a_gap_and_a_gain_across_it_is_none(served: Served, page: Page) -> None:
    page.goto(f"{served.url}/monitor")
    found = page.evaluate(
        """async (path) => {
            const { even, gains } = await import(path);
            const { at, series } = even([0, 300, 900, 1200], { n: [1, 4, 10, 12] }, 300);
            return [at, series.n, gains(series.n)];
        }""",
        url("monitor-charts.js"),
    )
    assert found == [[0, 300, 600, 900, 1200], [1, 4, None, 10, 12], [None, 3, None, None, 2]]
