"""The command: it is up at once, keeps its state over a kill, breaks connections when asked, and delivers over HTTP."""

import http.client
import http.server
import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import stripe

from local.stripe.run import Threaded
from local.stripe.server import StripeServer
from tests.unit.local.stripe.support import KEY, SECRET

ROOT = Path(__file__).parents[4]


@contextmanager
def _process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "local.stripe", "--port", "0", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().rpartition(" ")[2].strip()
        process.kill()


def _call(url: str, body: bytes | None = None) -> Any:
    request = urllib.request.Request(url, body, {"authorization": f"Bearer {KEY}"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return json.load(answer)


def test_its_state_survives_a_kill(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "stripe.sqlite3"))
    with _process(*data) as (process, url):
        made = _call(f"{url}/v1/customers", b"email=a%40example.com")
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    with _process(*data) as (process, url):
        assert _call(f"{url}/v1/customers/{made['id']}") == made
        process.terminate()
        assert process.wait(10) in (0, -signal.SIGTERM)


def test_a_port_in_use_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "local.stripe", "--port", str(taken.getsockname()[1])]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1
    assert "--port" in ended.stderr


def test_webhooks_and_broken_connections_over_http() -> None:
    arrived = threading.Event()
    got: list[stripe.Event] = []

    class App(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append(stripe.Webhook.construct_event(body, self.headers["stripe-signature"], SECRET))
            self.send_response(200)
            self.end_headers()
            arrived.set()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    app = http.server.HTTPServer(("127.0.0.1", 0), App)
    thread = threading.Thread(target=app.serve_forever)
    thread.start()
    server = StripeServer(webhook_url=f"http://127.0.0.1:{app.server_port}/", webhook_secret=SECRET)
    with Threaded(server) as url:
        _call(f"{url}/v1/customers", b"")
        assert arrived.wait(10)
        for fault in ("down", "cut"):
            _call(f"{url}/_test/faults", json.dumps({"api": [{"fault": fault}]}).encode())
            with pytest.raises((ConnectionError, urllib.error.URLError, http.client.IncompleteRead)):
                _call(f"{url}/v1/customers", b"")
        assert len(_call(f"{url}/v1/customers")["data"]) == 2
    app.shutdown()
    thread.join()
    app.server_close()
    assert got[0].type == "customer.created"
