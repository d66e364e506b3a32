"""`python -m local audit verify` as an operator runs it: beside a running host, and without one."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.data.tables import TableServiceClient, UpdateMode

from tests.integration.support import ROOT, Host, User


def verify(data: Path, *options: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", ""), "LYDIAN_DATA_DIR": str(data), **settings}
    command = [sys.executable, "-m", "local", "audit", "verify", "--data", str(data), *options]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.skipif("BASE_URL" in os.environ, reason="needs the host's own storage")
def test_beside_a_running_host(host: Host, user: Callable[..., User]) -> None:
    alice, admin = user(), user("admin@example.com")
    events = alice.get("/api/auth/audit").json()["items"]
    assert [event["kind"] for event in events] == ["register"]
    answer: httpx.Response = admin.post("/admin/functions/auth_seal_audit", json={})
    assert answer.status_code == 202
    assert alice.get("/api/auth/audit").json()["items"] == events
    found: dict[str, Any] = admin.get("/api/auth/audit", params={"scope": "all", "limit": 100}).json()
    assert events[0] in found["items"]

    done = verify(host.data)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.endswith("Intact.\n")
    day = events[0]["at"][:10].replace("-", "")
    with TableServiceClient.from_connection_string(host.connection_string()) as service:
        table = service.get_table_client(f"audit{day}")
        [row] = table.query_entities(f"user_id eq '{alice.user_id}'")
        table.update_entity({**row, "kind": "nothing_to_see"}, mode=UpdateMode.REPLACE)
        done = verify(host.data, "--day", day)
        table.update_entity(row, mode=UpdateMode.REPLACE)
    assert done.returncode == 1
    assert f"{day} no. {row['seq'].value}: event {events[0]['id']} was altered" in done.stdout


def test_without_a_host(tmp_path: Path) -> None:
    done = verify(tmp_path)
    assert done.returncode == 2
    assert "holds no local storage. Run `make start` once" in done.stderr
    (tmp_path / "azurite").mkdir()
    done = verify(tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), "it starts the storage for the while"
    assert "0 days, 0 sealed events" in done.stdout
    done = verify(
        tmp_path,
        AZURE_STORAGE_CONNECTION_STRING="DefaultEndpointsProtocol=http;AccountName=a;AccountKey=YQ==;"
        "BlobEndpoint=http://127.0.0.1:9/a;QueueEndpoint=http://127.0.0.1:9/a;TableEndpoint=http://127.0.0.1:9/a;",
    )
    assert done.returncode == 2
    assert "could not be checked" in done.stderr
    assert "Traceback" not in done.stderr
    assert verify(tmp_path, "--day", "2026-01-01").returncode == 2
