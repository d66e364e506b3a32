"""Records over memory: lists, changes, deletion and totals, each sentence of SPEC §4 about them."""

import asyncio
import base64
from typing import Any

import httpx
import pytest

from shared_code.storage import cursors
from tests.unit.files.apps import (
    FilesApp,
    assert_counted,
    assert_no_orphans,
    blob_names,
    make_files_app,
    owner,
    problem,
    shared,
    stored,
)

PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"


async def listed(client: httpx.AsyncClient, **params: Any) -> list[str]:
    answer = await client.get("/api/files", params=params)
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"items", "next_cursor"}
    return [file["filename"] for file in answer.json()["items"]]


async def paged(client: httpx.AsyncClient, path: str, **params: Any) -> tuple[list[Any], int]:
    """Every item of a list, page by page, and how many pages."""
    items, pages, cursor = [], 0, None
    while True:
        answer = await client.get(path, params={**params, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.text
        pages, cursor = pages + 1, answer.json()["next_cursor"]
        items += answer.json()["items"]
        if cursor is None:
            return items, pages


async def test_pages_newest_first(app: FilesApp, alice: httpx.AsyncClient, bob: httpx.AsyncClient) -> None:
    names = []
    for n in range(25):
        names.append((await stored(alice, name=f"{n}.txt"))["filename"])
        if n % 3:
            app.clock.advance(1)
    await stored(bob, name="bob.txt")
    assert await listed(alice) == names[::-1][:20]
    for limit, expected in ((7, 4), (25, 1), (24, 2), (1, 25), (100, 1)):
        items, pages = await paged(alice, "/api/files", limit=limit)
        assert ([item["filename"] for item in items], pages) == (names[::-1], expected)
        assert sorted((item["id"] for item in items), reverse=True) == [item["id"] for item in items]


async def test_a_page_that_goes_on_is_not_moved_by_newer_files(alice: httpx.AsyncClient) -> None:
    for n in range(4):
        await stored(alice, name=f"{n}")
    first = (await alice.get("/api/files", params={"limit": 2})).json()
    await stored(alice, name="newer")
    await alice.delete(f"/api/files/{first['items'][1]['id']}", params={"permanent": "true"})
    assert await listed(alice, limit=2, cursor=first["next_cursor"]) == ["1", "0"]


async def test_filters(alice: httpx.AsyncClient) -> None:
    await stored(alice, name="root.txt")
    await stored(alice, name="a.txt", folder="/a")
    await stored(alice, name="ab.txt", folder="/a/b")
    await stored(alice, name="ax.txt", folder="/ax")
    await stored(alice, PDF, "p.pdf", folder="/a")
    deleted = await stored(alice, name="gone.txt", folder="/a")
    await alice.delete(f"/api/files/{deleted['id']}")
    assert await listed(alice, folder="/a") == ["p.pdf", "ab.txt", "a.txt"]
    assert await listed(alice, folder="a/b/") == ["ab.txt"]
    assert await listed(alice, folder="/") == ["p.pdf", "ax.txt", "ab.txt", "a.txt", "root.txt"]
    assert await listed(alice, folder="/none") == []
    assert await listed(alice, type="text/plain", folder="/a") == ["ab.txt", "a.txt"]
    assert await listed(alice, type="text") == ["ax.txt", "ab.txt", "a.txt", "root.txt"]
    assert await listed(alice, type="application") == ["p.pdf"]
    assert await listed(alice, type="tex") == await listed(alice, type="image") == []
    assert await listed(alice, status="deleted") == ["gone.txt"]
    assert await listed(alice, status="all", folder="/a") == ["gone.txt", "p.pdf", "ab.txt", "a.txt"]
    assert "gone.txt" not in await listed(alice)
    items, pages = await paged(alice, "/api/files", folder="/a", type="text", limit=1)
    assert ([item["filename"] for item in items], pages) == (["ab.txt", "a.txt"], 2)


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 101}, {"limit": "x"}, {"status": "gone"}, {"folder": "a/../b"}, {"limit": -1}])
async def test_bad_parameters(alice: httpx.AsyncClient, params: dict[str, Any]) -> None:
    answer = await alice.get("/api/files", params=params)
    assert answer.status_code == 422
    assert answer.json()["errors"]


async def a_cursor(client: httpx.AsyncClient, **params: Any) -> str:
    cursor = (await client.get("/api/files", params={"limit": 1, **params})).json()["next_cursor"]
    assert isinstance(cursor, str)
    return cursor


@pytest.mark.parametrize("path", ["/api/files", "shares"])
async def test_forged_and_foreign_cursors(alice: httpx.AsyncClient, bob: httpx.AsyncClient, path: str) -> None:
    files = [await stored(client) for client in (alice, alice, bob, bob)]
    for file in files[:1] * 2:
        await shared(alice, file["id"])
    where = f"/api/files/{files[0]['id']}/shares" if path == "shares" else path
    own = (await alice.get(where, params={"limit": 1})).json()["next_cursor"]
    raw = base64.urlsafe_b64decode(own + "==")
    forged = [
        "", "x", "=", "%00", "é", "a" * 2000, own[:-3], own + "AAAA", own.swapcase(), "....", "null",
        base64.urlsafe_b64encode(raw[:16] + b"f:zzz").decode(), base64.urlsafe_b64encode(b"\xff" * 40).decode(),
        cursors.encode("f:0", "files", owner("alice"), None, None, "active") if path == "shares" else await a_cursor(bob),
        await a_cursor(alice, status="all"), await a_cursor(alice, type="text"),
    ]  # fmt: skip
    for cursor in forged:
        problem(await alice.get(where, params={"cursor": cursor}), 400, "invalid_cursor")
    assert (await alice.get(where, params={"cursor": own})).status_code == 200


async def test_a_long_forged_cursor(alice: httpx.AsyncClient) -> None:
    problem(await alice.get("/api/files", params={"cursor": "a" * 8000}), 400, "invalid_cursor")


async def test_metadata_has_an_etag(alice: httpx.AsyncClient) -> None:
    file = await stored(alice)
    answer = await alice.get(f"/api/files/{file['id']}/metadata")
    assert (answer.status_code, answer.json()) == (200, file)
    etag = answer.headers["etag"]
    assert etag == f'"{file["etag"]}"'
    for tags in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        again = await alice.get(f"/api/files/{file['id']}/metadata", headers={"If-None-Match": tags})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
    assert (await alice.get(f"/api/files/{file['id']}/metadata", headers={"If-None-Match": '"x"'})).status_code == 200
    head = await alice.head(f"/api/files/{file['id']}/metadata")
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", etag)


async def test_changing_name_and_metadata(app: FilesApp, alice: httpx.AsyncClient) -> None:
    file = await stored(alice, metadata='{"a": 1}')
    path = f"/api/files/{file['id']}/metadata"
    app.clock.advance(5)
    answer = await alice.patch(path, json={"filename": "../\u202enew.txt"})
    changed = answer.json()
    assert answer.status_code == 200
    assert answer.headers["etag"] == f'"{changed["etag"]}"' != f'"{file["etag"]}"'
    assert changed == {**file, "filename": "new.txt", "updated_at": "2026-03-01T12:00:05.000Z", "etag": changed["etag"]}
    assert (await alice.patch(path, json={"metadata": {"b": {"c": []}}})).json()["metadata"] == {"b": {"c": []}}
    assert (await alice.patch(path, json={"metadata": {}})).json()["filename"] == "new.txt"
    assert 'filename="new.txt"' in (await alice.get(f"/api/files/{file['id']}")).headers["content-disposition"]
    assert (await listed(alice)) == ["new.txt"]


@pytest.mark.parametrize(
    "bad",
    [
        {"metadata": []}, {"metadata": "x"}, {"metadata": {"a": "x" * 8190}},
        {"filename": ""}, {"filename": 7}, {"filename": "x" * 5000}, [], "x", 7,
    ],
)  # fmt: skip
async def test_bad_changes(alice: httpx.AsyncClient, bad: Any) -> None:
    file = await stored(alice)
    answer = await alice.patch(f"/api/files/{file['id']}/metadata", json=bad)
    assert answer.status_code == 422
    assert answer.json()["errors"][0].keys() == {"loc", "msg", "type"}
    assert (await alice.get(f"/api/files/{file['id']}/metadata")).json() == file


@pytest.mark.parametrize("bad", [b"", b"{", b'{"metadata": NaN}', b"\xff", b'{"a":' * 101 + b"1" + b"}" * 101])
async def test_changes_that_are_no_json(alice: httpx.AsyncClient, bad: bytes) -> None:
    file = await stored(alice)
    answer = await alice.patch(f"/api/files/{file['id']}/metadata", content=bad)
    assert answer.status_code == (400 if bad else 422), answer.text
    assert not bad or answer.json()["code"] == "invalid_json"


async def test_if_match(alice: httpx.AsyncClient) -> None:
    file = await stored(alice)
    path, etag = f"/api/files/{file['id']}/metadata", f'"{file["etag"]}"'
    for stale in ('"0.none"', '"x"', f"W/{etag}", '""', '"10.none"'):
        problem(await alice.patch(path, json={"filename": "b"}, headers={"If-Match": stale}), 412, "precondition_failed")
    answer = await alice.patch(path, json={"filename": "b"}, headers={"If-Match": f'"x", {etag}'})
    assert answer.status_code == 200
    problem(await alice.patch(path, json={"filename": "c"}, headers={"If-Match": etag}), 412, "precondition_failed")
    assert (await alice.patch(path, json={"filename": "c"}, headers={"If-Match": answer.headers["etag"]})).status_code == 200
    assert (await alice.patch(path, json={"filename": "d"}, headers={"If-Match": "*"})).status_code == 200


async def test_one_of_many_changes_with_the_same_if_match_wins(app: FilesApp, alice: httpx.AsyncClient) -> None:
    file = await stored(alice)
    headers = {"If-Match": f'"{file["etag"]}"'}
    patches = (alice.patch(f"/api/files/{file['id']}/metadata", json={"filename": f"{n}"}, headers=headers) for n in range(10))
    assert sorted(answer.status_code for answer in await asyncio.gather(*patches)) == [200] + [412] * 9


async def test_soft_delete_and_restore(app: FilesApp, alice: httpx.AsyncClient, anyone: httpx.AsyncClient) -> None:
    file = await stored(alice, folder="/x", metadata='{"a": 1}')
    path = f"/api/files/{file['id']}"
    link = await shared(alice, file["id"])
    app.clock.advance(1)
    answer = await alice.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    for gone in (alice.get(path), alice.get(path, headers={"Range": "bytes=0-1"}), alice.get(path, params={"variant": "original"})):
        problem(await gone, 404, "file_not_found")
    assert (await alice.head(path)).status_code == 404
    problem(await anyone.get(f"/share/{link['token']}"), 410, "share_gone")
    problem(await alice.post(f"{path}/share"), 404, "file_not_found")
    problem(await alice.patch(f"{path}/metadata", json={"filename": "b"}), 404, "file_not_found")
    record = (await alice.get(f"{path}/metadata")).json()
    assert record == {**file, "status": "deleted", "deleted_at": "2026-03-01T12:00:01.000Z"} | {
        name: record[name] for name in ("etag", "updated_at")
    }
    assert record["etag"] != file["etag"]
    assert len((await alice.get(f"{path}/shares")).json()["items"]) == 1
    app.clock.advance(1)
    assert (await alice.delete(path)).status_code == 204
    assert (await alice.get(f"{path}/metadata")).json() == record
    restored = await alice.post(f"{path}/restore")
    assert restored.status_code == 200
    assert (restored.json()["status"], restored.json()["deleted_at"]) == ("active", None)
    assert (await alice.get(path)).content == b"hello"
    assert (await anyone.get(f"/share/{link['token']}")).content == b"hello"
    again = await alice.post(f"{path}/restore")
    assert (again.status_code, again.json()) == (200, restored.json())
    await assert_counted(app, "alice")


async def test_permanent_delete(app: FilesApp, alice: httpx.AsyncClient, anyone: httpx.AsyncClient) -> None:
    for soft_first in (False, True):
        file = await stored(alice)
        path = f"/api/files/{file['id']}"
        link = await shared(alice, file["id"])
        if soft_first:
            await alice.delete(path)
        answer = await alice.delete(path, params={"permanent": "true"})
        assert (answer.status_code, answer.content) == (204, b"")
        for gone in (
            alice.get(path),
            alice.get(f"{path}/metadata"),
            alice.post(f"{path}/restore"),
            alice.get(f"{path}/shares"),
            alice.delete(path),
            alice.delete(path, params={"permanent": "true"}),
        ):
            problem(await gone, 404, "file_not_found")
        problem(await anyone.get(f"/share/{link['token']}"), 410, "share_gone")
        assert await listed(alice, status="all") == await blob_names(app.storage) == []
        await assert_counted(app, "alice")


async def test_many_changes_of_one_file_at_once(app: FilesApp, alice: httpx.AsyncClient) -> None:
    for _ in range(5):
        file = await stored(alice)
        path = f"/api/files/{file['id']}"
        answers = await asyncio.gather(
            *(alice.delete(path) for _ in range(6)),
            *(alice.post(f"{path}/restore") for _ in range(6)),
            *(alice.patch(f"{path}/metadata", json={"filename": "b"}) for _ in range(3)),
        )
        assert {answer.status_code for answer in answers} <= {200, 204, 404, 503}
        await assert_counted(app, "alice")
        answers = await asyncio.gather(*(alice.delete(path, params={"permanent": "true"}) for _ in range(6)), alice.delete(path))
        assert sorted(answer.status_code for answer in answers[:6]) == [204] + [404] * 5
        await assert_counted(app, "alice")
        await assert_no_orphans(app)


FOREIGN = [
    ("GET", "/api/files/{id}"),
    ("HEAD", "/api/files/{id}"),
    ("GET", "/api/files/{id}?variant=thumbnail"),
    ("GET", "/api/files/{id}/metadata"),
    ("PATCH", "/api/files/{id}/metadata"),
    ("DELETE", "/api/files/{id}"),
    ("DELETE", "/api/files/{id}?permanent=true"),
    ("POST", "/api/files/{id}/restore"),
    ("POST", "/api/files/{id}/share"),
    ("GET", "/api/files/{id}/shares"),
    ("DELETE", "/api/files/{id}/shares/{share}"),
    ("POST", "/api/files/{id}/complete"),
]


@pytest.mark.parametrize(("method", "path"), FOREIGN)
async def test_anothers_file_is_a_missing_file(alice: httpx.AsyncClient, bob: httpx.AsyncClient, method: str, path: str) -> None:
    file = await stored(alice)
    link = await shared(alice, file["id"])
    missing = file["id"][:10] + "z" * 16 + owner("bob")
    headers = {"X-Request-ID": "same"}
    answers = []
    for file_id in (file["id"], missing, file["id"].upper(), "x", "x" * 500, "a%00b", "%2e%2e", "ü"):
        where = path.format(id=file_id, share=link["id"])
        sent: Any = {"json": {"filename": "stolen"}} if method in ("PATCH", "POST") else {}
        answer = await bob.request(method, where, headers=headers, **sent)
        assert answer.status_code == 404, answer.text
        answers.append((answer.text.replace(file_id, "ID"), sorted(answer.headers.keys())))
    assert answers[0] == answers[1]
    assert (await alice.get(f"/api/files/{file['id']}/metadata")).json() == file


@pytest.mark.parametrize(
    ("method", "path"), [*FOREIGN, ("GET", "/api/files"), ("GET", "/api/files/stats"), ("POST", "/api/files/upload-url")]
)
async def test_nobody_is_told_to_sign_in(anyone: httpx.AsyncClient, alice: httpx.AsyncClient, method: str, path: str) -> None:
    file = await stored(alice)
    answer = await anyone.request(method, path.format(id=file["id"], share="x"))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_stats(app: FilesApp, alice: httpx.AsyncClient, bob: httpx.AsyncClient) -> None:
    nothing = (await alice.get("/api/files/stats")).json()
    assert nothing == {
        "total_files": 0, "active_files": 0, "deleted_files": 0, "total_bytes": 0, "total_size": "0 B", "by_type": {},
        "as_of": "2026-03-01T12:00:00.000Z",
    }  # fmt: skip
    await stored(alice, b"x" * 1500)
    await stored(alice, PDF)
    deleted = await stored(alice, b"12345")
    await alice.delete(f"/api/files/{deleted['id']}")
    await stored(bob)
    found = (await alice.get("/api/files/stats")).json()
    assert found == {
        "total_files": 3, "active_files": 2, "deleted_files": 1, "total_bytes": 1505 + len(PDF), "total_size": "1.5 kB",
        "by_type": {"text/plain": 2, "application/pdf": 1}, "as_of": "2026-03-01T12:00:00.000Z",
    }  # fmt: skip
    problem(await alice.get("/api/files/stats", params={"scope": "all"}), 403, "forbidden")
    assert (await alice.get("/api/files/stats", params={"scope": "x"})).status_code == 422
    async with app.client("root", "admin") as root:
        everyone = (await root.get("/api/files/stats", params={"scope": "all"})).json()
        assert (everyone["total_files"], everyone["total_bytes"], everyone["active_files"]) == (4, 1510 + len(PDF), 3)
        assert everyone["by_type"] == {"text/plain": 3, "application/pdf": 1}
        assert (await root.get("/api/files/stats")).json()["total_files"] == 0
        app.clock.advance(60)
        await stored(bob)
        assert (await root.get("/api/files/stats", params={"scope": "all"})).json() == everyone  # as of the last roll-up
        for _ in range(2):
            await app.container.files_statistics.roll_up()
            later = (await root.get("/api/files/stats", params={"scope": "all"})).json()
            assert (later["total_files"], later["as_of"]) == (5, "2026-03-01T12:01:00.000Z")


async def test_the_roll_up_reads_on_behind_a_page() -> None:
    app = make_files_app()
    for n in range(3):
        async with app.client(f"user{n}") as client:
            await stored(client)
    query = app.storage.tables.query

    async def one_at_a_time(*args: Any, **options: Any) -> Any:
        return await query(*args, **{**options, "limit": 1})

    app.storage.tables.query = one_at_a_time  # type: ignore[method-assign]  # pages of one row
    totals = await app.container.files_statistics.roll_up()
    assert (totals.owners, totals.usage.active_files, totals.usage.bytes) == (3, 3, 15)
