"""Log lines: JSON, with what finds a request again, and without what must not be read."""

import json
import logging
from typing import Any

import pytest
import structlog

from shared_code.web import logs
from tests.unit.apps import PASSWORD, bearer, login, make_app, register, settings_of


class Out:
    """What was printed so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys, self._text = capsys, ""

    def getvalue(self) -> str:
        self._text += self._capsys.readouterr().out
        return self._text


@pytest.fixture
def out(capsys: pytest.CaptureFixture[str]) -> Out:
    return Out(capsys)


def lines(out: Out) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


async def test_one_line_a_request(out: Out) -> None:
    logs.configure(settings_of())
    async with make_app().client() as client:
        account = await register(client, "ada@example.com")
        await client.get("/api/auth/me", headers={**bearer(account["access_token"]), "X-Request-ID": "find-me"})
        await client.head("/health")
        await client.get("/nowhere?token=hidden")
    requests = {line["function"]: line for line in lines(out) if line["event"] == "request"}
    line = requests["auth_get_me"]
    assert (line["request_id"], line["user_id"], line["status"], line["method"]) == ("find-me", account["user"]["id"], 200, "GET")
    assert line["duration_ms"] >= 0
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")
    assert requests["common_health"]["method"] == "HEAD"
    assert requests["common_health"]["user_id"] is None
    assert requests[None]["status"] == 404


async def test_secrets_stand_in_no_line(out: Out) -> None:
    logs.configure(settings_of(LOG_LEVEL="debug"))
    async with make_app().client() as client:
        account = await register(client, "ada@example.com")
        await login(client, "ada@example.com", "the wrong password")
        await client.get("/api/auth/me", headers=bearer(account["access_token"]))
        await client.get("/share/lys_a-share-token")
        await client.post("/share/lys_a-share-token")
        await client.post("/api/auth/refresh", json={"refresh_token": account["refresh_token"]})
    text = out.getvalue()
    for secret in (PASSWORD, "the wrong password", account["access_token"], account["refresh_token"], "a-share-token", "ada@example.com"):
        assert secret not in text
    audited = [line["kind"] for line in lines(out) if line["event"] == "audit"]
    assert audited == ["register", "sign_in_failed"]
    assert all(line["request_id"] for line in lines(out))


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_a_traceback_shows_no_local_variables(out: Out, monkeypatch: pytest.MonkeyPatch, log_format: str) -> None:
    logs.configure(settings_of(LOG_FORMAT=log_format))

    async def broken(password: str) -> str:
        copy = password + "!"
        raise RuntimeError(f"it has {len(copy)} characters")

    monkeypatch.setattr("shared_code.auth.passwords.hash_password", broken)
    async with make_app().client() as client:
        body = {"email": "ada@example.com", "password": PASSWORD}
        response = await client.post("/api/auth/register", json=body, headers={"X-Request-ID": "find-me"})
    assert response.status_code == 500
    text = out.getvalue()
    assert "it has 22 characters" in text, "the trace itself is in the log"
    assert "find-me" in text
    assert PASSWORD not in text


async def test_the_status_of_a_failure(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    logs.configure(settings_of())

    def broken(name: str) -> None:
        raise RuntimeError

    monkeypatch.setattr("functions.common.pages.asset", broken)
    async with make_app().client() as client:
        await client.get("/static/x")
    assert next(line for line in lines(out) if line["event"] == "request")["status"] == 500


async def test_a_person_gets_readable_lines_and_no_request_log(out: Out) -> None:
    settings = settings_of(LOG_FORMAT="console")
    logs.configure(settings)
    async with make_app(LOG_FORMAT="console").client() as client:
        await client.get("/health")
    assert out.getvalue() == ""
    structlog.get_logger("lydian").warning("look_here", what="this")
    assert "look_here" in out.getvalue()


def test_the_level_is_a_setting(out: Out) -> None:
    logs.configure(settings_of(LOG_LEVEL="error"))
    structlog.get_logger("lydian").warning("quiet")
    structlog.get_logger("lydian").error("loud")
    assert [line["event"] for line in lines(out)] == ["loud"]


def test_sdks_do_not_log_urls() -> None:
    logs.configure(settings_of(LOG_LEVEL="debug"))
    assert not logging.getLogger("azure.core.pipeline.policies.http_logging_policy").isEnabledFor(logging.INFO)
