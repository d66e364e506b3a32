"""The stand-ins of a local run as processes: how they come, are shared, die, come back and go."""

import json
import os
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.aiserver import MODELS
from tests.integration.local_host.harness import ROOT, RunningHost, Start, wait_for

OPTIONS = ("--services", "ai", "--no-azurite", "--no-timers")


def served(data: Path) -> list[int]:
    """The processes of the AI server of a data folder: Node's and its leash."""
    port = json.loads((data / "ai.json").read_text())["port"]
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if "aimock" in line and f"--port={port}" in line]


def answers(data: Path) -> str | None:
    port = json.loads((data / "ai.json").read_text())["port"]
    body = {"model": "local-large", "messages": [{"role": "user", "content": "Hello?"}]}
    try:
        answer = httpx.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=body, timeout=5, trust_env=False)
    except httpx.HTTPError:
        return None
    return str(answer.json()["choices"][0]["message"]["content"])


def begin(start: Start, *options: str, data: Path | None = None, **settings: str) -> RunningHost:
    return start(*OPTIONS, *options, data=data, app=ROOT, OPENAI_API_KEY="", OPENAI_BASE_URL="", AI_MODELS="", **settings)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_however_the_host_ends_its_ai_server_ends_too(start: Start, number: int) -> None:
    host = begin(start)
    assert "AI         a stand-in at http://127.0.0.1:" in host.log
    assert "not a real model" in host.log
    assert len(served(host.data)) == 2
    assert "stand-in, not a model" in (answers(host.data) or "")
    host.stop(number)
    wait_for("its AI server is gone", lambda: not served(host.data))


def test_an_ai_server_that_is_killed_comes_back_on_its_port(start: Start) -> None:
    host = begin(start)
    for process in served(host.data):
        os.kill(process, signal.SIGKILL)
    wait_for("it is started again", lambda: "the local AI server has ended unexpectedly" in host.log and answers(host.data))


def test_hosts_of_one_folder_share_it_and_hand_it_over(start: Start) -> None:
    first = begin(start)
    second = begin(start, data=first.data)
    assert len(served(first.data)) == 2
    first.stop(signal.SIGKILL)
    wait_for("the second takes over", lambda: "the host that ran the local AI server has ended" in second.log and answers(first.data))
    assert second.stop() == 0
    wait_for("its AI server is gone", lambda: not served(first.data))


def test_who_wants_none_or_names_a_model_gets_none(start: Start) -> None:
    for options, settings in ((("--no-ai",), {}), ((), {"AI_MODELS": str(MODELS), "OPENAI_API_KEY": "a key"})):
        host = start(*OPTIONS, *options, app=ROOT, **settings)
        assert "a stand-in" not in host.log
        assert not (host.data / "ai.json").exists()
        host.stop()
