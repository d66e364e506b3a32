"""The host as a process: how it ends, what it leaves behind, what it says when it can't start."""

import os
import signal
import socket
from pathlib import Path

import httpx
import pytest

from tests.integration.local_host.harness import RunningHost, Start, children_of, wait_for


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)])
def test_however_it_ends_no_child_is_left(start: Start, number: int, code: int) -> None:
    host = start()
    assert children_of(host.data / "azurite")
    assert host.stop(number) == code
    wait_for("children are gone", lambda: not children_of(host.data / "azurite"))


def test_an_open_stream_does_not_hold_up_the_end(start: Start) -> None:
    host = start("--no-azurite")
    with httpx.stream("GET", f"{host.url}/ticks") as stream:
        assert next(stream.iter_bytes())
        assert host.stop() == 0


def test_a_crash_at_start_leaves_no_child(start: Start, tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "function_app.py").write_text("raise RuntimeError('broken app')")
    host = start(app=tmp_path, wait=False)
    assert host.process.wait(30) == 1
    assert "error: function_app.py can't be imported: RuntimeError: broken app" in host.log
    assert not children_of(host.data / "azurite")


def test_a_port_in_use_is_a_message(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        host = start("--port", str(port), wait=False)
        assert host.process.wait(30) == 1
    assert host.log.startswith(f"error: Port {port} of 127.0.0.1 can't be used: Address already in use.")
    assert "Traceback" not in host.log


def test_a_folder_that_is_no_app_is_a_message(start: Start, tmp_path: Path) -> None:
    host = start(app=tmp_path, wait=False)
    assert host.process.wait(30) == 1
    assert "host.json is missing" in host.log
    assert "Traceback" not in host.log


def test_hosts_of_one_folder_share_azurite_and_hand_it_over(start: Start) -> None:
    first = start()
    second = start(data=first.data)
    assert "sharing the Azurite" in second.log
    served = children_of(first.data / "azurite")
    assert len(served) == 2  # one Azurite and its leash
    connection = first.connection_string()
    first.process.kill()
    wait_for("the second takes over", lambda: "taking over" in second.log and is_up(connection), 30)
    assert second.connection_string() == connection  # on the same ports
    assert second.stop() == 0
    wait_for("children are gone", lambda: not children_of(first.data / "azurite"))


def test_an_azurite_that_dies_is_started_again(start: Start) -> None:
    host = start()
    for process in children_of(host.data / "azurite"):
        os.kill(process, signal.SIGKILL)
    wait_for("Azurite answers again", lambda: "starting it again" in host.log and is_up(host.connection_string()), 30)


def test_what_to_open_is_printed(start: Start) -> None:
    host: RunningHost = start("--services", "files,auth", "--no-azurite")
    for row in ("Services   files,auth", "Functions  15 HTTP, 1 blob, 1 queue, 1 timer", f"Data       {host.data}"):
        assert row in host.log


def is_up(connection: str) -> bool:
    port = int(connection.partition("BlobEndpoint=http://127.0.0.1:")[2].partition("/")[0])
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", timeout=2).status_code > 0
    except httpx.HTTPError:
        return False
