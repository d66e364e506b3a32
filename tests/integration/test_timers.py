"""The timers, fired by hand as an operator does: a run that repeats changes nothing."""

from collections.abc import Callable
from typing import Any

from tests.integration.support import User, put


def fire(admin: User, function: str) -> None:
    assert admin.post(f"/admin/functions/{function}", json={}).status_code == 202


def everyone(admin: User) -> dict[str, Any]:
    found: dict[str, Any] = admin.get("/api/files/stats", params={"scope": "all"}).json()
    return found


def test_the_roll_up(alice: User, user: Callable[..., User]) -> None:
    admin = user("admin@example.com")
    fire(admin, "files_statistics")
    before = everyone(admin)
    alice.stored(b"x" * 10)
    deleted = alice.stored(b"x" * 10)
    alice.delete(f"/api/files/{deleted['id']}")
    assert everyone(admin) == before
    for _ in range(2):
        fire(admin, "files_statistics")
        after = everyone(admin)
        assert after["active_files"] == before["active_files"] + 1
        assert after["deleted_files"] == before["deleted_files"] + 1
        assert after["total_bytes"] == before["total_bytes"] + 20
        assert after["by_type"]["text/plain"] == before["by_type"].get("text/plain", 0) + 2
        assert after["as_of"] > before["as_of"]


def test_figures_of_the_services_become_points_of_a_history(alice: User, user: Callable[..., User]) -> None:
    admin = user("admin@example.com")

    def figures() -> dict[str, Any]:
        for function in ("ai_statistics", "auth_statistics", "files_statistics", "payments_statistics", "monitoring_statistics"):
            fire(admin, function)
        answer = admin.get("/api/monitoring/stats")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    before = figures()
    alice.stored(b"x" * 10)
    user()
    for _ in range(2):  # what repeats changes nothing
        after = figures()
        latest = {service: each["figures"] for service, each in after["latest"].items() if each}
        assert latest["files"]["bytes"] == before["latest"]["files"]["figures"]["bytes"] + 10
        assert latest["users"]["users"] == before["latest"]["users"]["figures"]["users"] + 1
        assert after["history"]["series"]["bytes"][-1] == latest["files"]["bytes"]
    assert len(after["history"]["at"]) - len(before["history"]["at"]) in (0, 1), "one point in five minutes"
    for function in ("ai_recount_statistics", "auth_recount_statistics", "files_recount_statistics", "payments_recount_statistics"):
        fire(admin, function)
    recounted = admin.get("/api/monitoring/stats").json()["latest"]
    assert {service: each["figures"] for service, each in recounted.items() if each} == latest
    assert {each["drifted"] for each in recounted.values() if each} == {0}


def test_the_purge_leaves_what_is_young(alice: User, storage: Any) -> None:
    file, deleted = alice.stored(), alice.stored()
    alice.delete(f"/api/files/{deleted['id']}")
    grant = alice.granted()
    put(grant, b"hello")
    link = alice.post(f"/api/files/{file['id']}/share").json()
    storage.put("uploads", "young-orphan", b"x")
    totals = alice.totals()
    for _ in range(2):
        fire(alice, "files_purge")
        fire(alice, "ai_purge")
        assert alice.totals() == totals
        assert alice.record(deleted["id"])["status"] == "deleted"
        assert alice.get(link["url"]).content == b"hello"
        assert storage.exists("uploads", "young-orphan")
    assert alice.post(f"/api/files/{grant['file_id']}/complete").status_code == 200
    storage.delete("uploads", "young-orphan")
