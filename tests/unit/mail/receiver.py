"""SendGrid's side of ``POST /v3/mail/send``, on a port of its own."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """Answers with ``status`` and ``headers``; ``status`` 0 cuts the connection, -1 is silent until ``close``."""

    def __init__(self) -> None:
        self.status, self.headers = 202, dict[str, str]()
        self.requests: list[tuple[str, Mapping[str, str], dict[str, Any]]] = []
        self.closing = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.requests.append((self.path, dict(self.headers), body))
                if receiver.status == -1:
                    receiver.closing.wait(10)
                if receiver.status <= 0:
                    self.close_connection = True
                    return
                self.send_response(receiver.status)
                for name, value in {"X-Message-Id": "sg-1", "Content-Length": "0", **receiver.headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.close()
