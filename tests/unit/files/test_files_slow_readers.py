"""Downloads end before ``functionTimeout``, whatever their readers do: else the host restarts the worker, with all its requests."""

import asyncio

import pytest
from starlette.types import Message

from shared_code.web.outgoing import Outgoing
from tests.unit.files.apps import FilesApp, make_files_app

LARGE = b"%PDF-1.7\n" + bytes(5 * 1024 * 1024)


async def reads_none(app: FilesApp, path: str, headers: dict[str, str]) -> list[Message]:
    """What a client got that takes the head and nothing more."""
    got: list[Message] = []

    async def receive() -> Message:
        if not got:
            return {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.Event().wait()
        raise AssertionError("it stays")

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()
        got.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("test", 80),
        "state": {},
    }
    async with asyncio.timeout(5):
        await app.web(scope, receive, send)
    return got


@pytest.mark.parametrize("limit", ["stalled", "longest"])
async def test_a_download_that_nobody_takes_ends(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_files_app()
    async with app.client() as client:
        answer = await client.post("/api/files/upload", files={"file": ("a.pdf", LARGE, "application/pdf")})
        assert answer.status_code == 201, answer.text
        file_id = answer.json()["id"]
        link = (await client.post(f"/api/files/{file_id}/share", json={})).json()["token"]
        monkeypatch.setitem(Outgoing.__init__.__kwdefaults__, limit, 0.02)
        own = await reads_none(app, f"/api/files/{file_id}", {"Authorization": "Bearer alice user"})
        shared = await reads_none(app, f"/share/{link}", {})
        assert [message["status"] for message in own + shared] == [200, 200]
        ranged = await client.get(f"/api/files/{file_id}", headers={"Range": "bytes=5-8"})  # the rest can be had
        assert ranged.content == LARGE[5:9]
