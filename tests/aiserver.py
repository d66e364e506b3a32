"""A real aimock for tests and benchmarks: a child process on a free port of 127.0.0.1 that speaks OpenAI's wire, and its faults.

A fixture answers the prompts that contain its text, the first that matches wins; a prompt that none names gets ``ANYTHING``.
"""

import atexit
import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.azurite import END_WITH_PARENT, free_ports

ROOT = Path(__file__).parent.parent
MODELS = ROOT / "local/ai/models.json"
ANYTHING = "An answer to anything."
_MAIN = ROOT / "node_modules/@copilotkit/aimock/dist/cli.js"
_SECONDS_TO_START = 20

Fixture = dict[str, Any]


def text(prompt: str, answer: str, *, tick: int = 0, chunk: int = 20, cut_after: int | None = None, **response: Any) -> Fixture:
    """An answer in frames of ``chunk`` characters, ``tick`` ms apart. ``cut_after``: the connection is closed after that many
    frames (the first says only who speaks). ``response``: ``finishReason``, ``usage`` as OpenAI names its fields, and the like."""
    fixture: Fixture = {"match": {"endpoint": "chat", "userMessage": prompt}, "response": {"content": answer, **response}}
    fixture |= {"latency": tick, "chunkSize": chunk}
    return fixture if cut_after is None else {**fixture, "latency": max(tick, 1), "truncateAfterChunks": cut_after}


def error(prompt: str, status: int, *, code: str | None = None, retry_after: int | None = None, times: int | None = None) -> list[Fixture]:
    """The error, for the first ``times`` requests with the prompt (None: for all); put what comes then behind it."""
    response: dict[str, Any] = {"error": {"message": f"Upstream says {status}.", "type": "server_error", "code": code}, "status": status}
    if retry_after is not None:
        response["retryAfter"] = retry_after
    turns: Sequence[Mapping[str, int]] = [{}] if times is None else [{"sequenceIndex": turn} for turn in range(times)]
    return [{"match": {"endpoint": "chat", "userMessage": prompt, **turn}, "response": response} for turn in turns]


def rate_limited(prompt: str, retry_after: int = 1, times: int | None = None) -> list[Fixture]:
    """429 with ``Retry-After`` in seconds."""
    return error(prompt, 429, code="rate_limit_exceeded", retry_after=retry_after, times=times)


def filtered(prompt: str) -> list[Fixture]:
    """Azure's refusal of a prompt."""
    return error(prompt, 400, code="content_filter")


def silent(prompt: str, milliseconds: int = 30_000) -> Fixture:
    """Nothing, not even headers, for that long (30 s at most)."""
    return {**text(prompt, "Late."), "chaos": {"latencyMs": milliseconds}}


def dropped(prompt: str) -> Fixture:
    """The connection is closed before any answer."""
    return {**text(prompt, "Never."), "chaos": {"disconnectRate": 1}}


class AiServer:
    """``start`` and ``kill`` may be called in turns: it keeps its port, and forgets its fixtures."""

    def __init__(self) -> None:
        [self.port] = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = tempfile.TemporaryDirectory(prefix="aimock-", ignore_cleanup_errors=True)
        self._fixtures: list[Fixture] = []
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        """What OpenAI clients are given; an Azure client gets ``url``."""
        return f"{self.url}/v1"

    @property
    def process(self) -> psutil.Process:
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def settings(self) -> dict[str, str]:
        """App settings that point to it: the models of local runs, which have prices."""
        return {"AI_MODELS": str(MODELS), "OPENAI_BASE_URL": self.base_url, "OPENAI_API_KEY": "test-stand-in"}

    def start(self) -> None:
        """RuntimeError when it ends or is silent for 20 s, with what it wrote."""
        if not _MAIN.exists():
            raise RuntimeError("aimock is not installed: run `npm ci`")
        Path(self._folder.name, "anything.json").write_text(json.dumps({"fixtures": [_anything()]}))
        command = ["node", "--import", END_WITH_PARENT, str(_MAIN), "--host=127.0.0.1", f"--port={self.port}"]
        command += [f"--fixtures={self._folder.name}", "--log-level=warn", "--validate-on-load"]
        log = Path(self._folder.name, "aimock.log")
        with log.open("wb") as output:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT)
        self._fixtures = []
        limit = time.monotonic() + _SECONDS_TO_START
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > limit:
                self.kill()
                raise RuntimeError(f"aimock did not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.03)  # between looks; the limit above bounds it

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/__aimock/health", timeout=1, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def serve(self, *fixtures: Fixture | Sequence[Fixture]) -> None:
        """Answer so, before whatever was asked for earlier."""
        added = [each for some in fixtures for each in ([some] if isinstance(some, dict) else some)]
        self._fixtures = [*added, *self._fixtures]
        self._control("DELETE", "fixtures")
        self._control("POST", "fixtures", {"fixtures": [*self._fixtures, _anything()]})

    def reset(self) -> None:
        """Forget the requests and what `serve` was told."""
        self._control("POST", "reset")
        self._fixtures = []
        self.serve()

    def requests(self, prompt: str = "") -> list[dict[str, Any]]:
        """What arrived, oldest first, as aimock's journal shows it (``path``, ``headers``, ``body``, ``response``): the requests
        whose body holds ``prompt``; at most the last 1,000. A streamed answer is in it when it has begun."""
        found: list[dict[str, Any]] = self._control("GET", "journal").json()
        return [entry for entry in found if prompt in json.dumps(entry["body"], ensure_ascii=False)]

    def connections(self) -> int:
        """TCP connections that clients hold to it, idle ones too: one that carries a stream goes when the stream is cancelled."""
        return sum(each.status == psutil.CONN_ESTABLISHED and each.laddr.port == self.port for each in self.process.net_connections())

    def freeze(self) -> None:
        """It accepts connections and says nothing, as a server that hangs."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """As a crash does it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process = None

    def stop(self) -> None:
        """May be called twice."""
        self.kill()
        self._folder.cleanup()

    def _control(self, method: str, path: str, body: Any = None) -> httpx.Response:
        answer = httpx.request(method, f"{self.url}/__aimock/{path}", json=body, timeout=10, trust_env=False)
        assert answer.is_success, answer.text
        return answer


def start_aiserver(*fixtures: Fixture | Sequence[Fixture]) -> AiServer:
    """Start one and wait until it answers; it ends with the test run whatever happens."""
    server = AiServer()
    atexit.register(server.stop)
    server.start()
    if fixtures:
        server.serve(*fixtures)
    return server


def _anything() -> Fixture:
    return {"match": {"endpoint": "chat"}, "response": {"content": ANYTHING}}
