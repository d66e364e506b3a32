"""A forgotten password and an unverified address, through queues, the outbox and the pages, on the local host."""

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx

from tests.integration.support import PASSWORD, User, eventually, problem

NEW = "another good password"


def link(admin: User, to: str, template: str) -> str:
    """Where the latest mail's link leads, once the mail is there."""

    def look() -> str | None:
        for mail in admin.get("/api/mail/outbox", params={"limit": 100}).json()["items"]:
            found = re.search(r"https?://\S+token=[\w.-]+", mail["text"])
            if (mail["to"], mail["template"]) == (to, template) and found:
                return found[0]
        return None

    found = eventually(look, 30, f"the mail {template}")
    assert found is not None
    return found


def token_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["token"][0]


def test_a_way_back_in(client: httpx.Client, user: Callable[..., User]) -> None:
    admin, email = user("admin@example.com"), f"user-{uuid4().hex}@example.com"
    ada = user(email)
    verification = token_of(link(admin, email, "verify_email"))
    assert client.post("/api/auth/verify-email", json={"token": verification}).json()["email_verified"] is True
    problem(client.post("/api/auth/verify-email", json={"token": verification}), 400, "invalid_token")
    for asked in (email, f"nobody-{uuid4().hex}@example.com"):
        answer = client.post("/api/auth/forgot-password", json={"email": asked})
        assert (answer.status_code, answer.json()) == (202, {"status": "accepted"})
    url = link(admin, email, "reset_password")
    page = client.get(url)
    assert (page.status_code, page.headers["cache-control"], page.headers["referrer-policy"]) == (200, "no-store", "no-referrer")
    body = {"token": token_of(url), "password": NEW}
    assert client.post("/api/auth/reset-password", json=body).status_code == 204
    problem(client.post("/api/auth/reset-password", json=body), 400, "invalid_token")
    eventually(lambda: ada.get("/api/auth/me").status_code == 401, 10, "the old session's end")
    problem(client.post("/api/auth/login", json={"email": email, "password": PASSWORD}), 401, "invalid_credentials")
    assert client.post("/api/auth/login", json={"email": email, "password": NEW}).status_code == 200


def test_devices(client: httpx.Client, user: Callable[..., User]) -> None:
    email = f"user-{uuid4().hex}@example.com"
    desktop, phone = user(email), user(email)
    items = desktop.get("/api/auth/sessions").json()["items"]
    assert [item["current"] for item in items] == [False, True]
    problem(desktop.delete(f"/api/auth/sessions/{'0' * 26}"), 404, "session_not_found")
    assert desktop.delete(f"/api/auth/sessions/{items[0]['id']}").status_code == 204
    eventually(lambda: phone.get("/api/auth/me").status_code == 401, 10, "the phone's end")
    phone = user(email)
    change = {"current_password": PASSWORD, "new_password": NEW}
    problem(desktop.post("/api/auth/change-password", json={**change, "current_password": "not the password"}), 403, "wrong_password")
    assert desktop.post("/api/auth/change-password", json=change).status_code == 204
    eventually(lambda: phone.get("/api/auth/me").status_code == 401, 10, "the phone's end")
    assert desktop.delete("/api/auth/sessions").status_code == 204
    assert desktop.get("/api/auth/me").status_code == 200
