"""Leaving, taking one's data along, and administrators, through the local host and a real Azurite."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

from tests.integration.support import PASSWORD, User, eventually, problem


def test_an_export(alice: User, bob: User) -> None:
    bob.stored(b"bob's")
    file, binned = alice.stored(b"x" * 5_000_000, "größe.txt"), alice.stored(b"binned", "b.txt")
    alice.post(f"/api/files/{file['id']}/share")
    alice.delete(f"/api/files/{binned['id']}")
    answer = alice.get("/api/auth/export")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert "content-length" not in answer.headers, "it is made while it is sent"
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    assert archive.read(f"files/{file['id']}/größe.txt") == b"x" * 5_000_000
    assert archive.read(f"files/{binned['id']}/b.txt") == b"binned"
    files = json.loads(archive.read("files/files.json"))
    assert ([each["id"] for each in files["files"]], len(files["shares"])) == ([binned["id"], file["id"]], 1)
    assert json.loads(archive.read("account.json"))["id"] == alice.user_id
    assert not any(bob.user_id in name for name in archive.namelist())


def test_leaving(client: Any, user: Callable[..., User], alice: User, storage: Any) -> None:
    admin, token = user("admin@example.com"), alice.headers["authorization"]
    file = alice.stored(b"mine")
    link = alice.post(f"/api/files/{file['id']}/share").json()["url"]
    email = alice.get("/api/auth/me").json()["email"]
    assert [each["id"] for each in admin.get("/api/auth/users", params={"email": email}).json()["items"]] == [alice.user_id]
    problem(alice.request("DELETE", "/api/auth/me", json={"password": "not the password"}), 403, "wrong_password")
    problem(alice.request("DELETE", "/api/auth/me"), 422, "validation_failed")
    assert alice.request("DELETE", "/api/auth/me", json={"password": PASSWORD}).status_code == 204
    assert client.get("/api/auth/me", headers={"Authorization": token}).status_code == 401
    problem(client.post("/api/auth/login", json={"email": email, "password": PASSWORD}), 401, "invalid_credentials")
    eventually(lambda: not storage.exists("uploads", file["id"]), 20, "the removal of the file")
    eventually(lambda: client.get(link).status_code == 404, 20, "the end of the link")
    assert admin.get("/api/auth/users", params={"email": email}).json()["items"] == []
    again = client.post("/api/auth/register", json={"email": email, "password": PASSWORD})
    assert (again.status_code, again.json()["user"]["id"] == alice.user_id) == (201, False)
    assert admin.post("/admin/functions/auth_delete_accounts", json={}).status_code == 202
    listed = admin.get("/api/auth/users", params={"email": email}).json()["items"]
    assert [each["id"] for each in listed] == [again.json()["user"]["id"]]


def test_an_administrator_disables(user: Callable[..., User], alice: User) -> None:
    admin = user("admin@example.com")
    assert admin.get("/api/auth/users", params={"limit": 1}).json()["next_cursor"]
    assert admin.patch(f"/api/auth/users/{alice.user_id}", json={"disabled": True}).json()["disabled"] is True
    assert alice.get("/api/auth/me").status_code == 401
    problem(admin.patch(f"/api/auth/users/{admin.user_id}", json={"disabled": True}), 409, "cannot_change_self")
    problem(alice.get("/api/auth/users"), 401, "session_ended")
