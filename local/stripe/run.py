"""Runs the server under uvicorn: in the foreground, or in a thread for tests."""

import asyncio
import socket
import threading
from types import TracebackType

import uvicorn

from .server import StripeServer


def _configure(server: StripeServer, quiet: bool = True) -> uvicorn.Server:
    config = uvicorn.Config(
        server, log_level="warning" if quiet else "info", access_log=not quiet, lifespan="on", ws="none", timeout_graceful_shutdown=2
    )  # fmt: skip
    return uvicorn.Server(config)


def listen(host: str, port: int) -> socket.socket:
    """Raises OSError when the port is taken. 0: any free one."""
    listener = socket.socket(socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(256)
    except OSError:
        listener.close()
        raise
    return listener


def serve(server: StripeServer, listener: socket.socket, quiet: bool) -> None:
    """Until SIGINT or SIGTERM."""
    _configure(server, quiet).run(sockets=[listener])


class Threaded:
    """`with Threaded(StripeServer(...)) as url:` serves it on a free port of this machine."""

    def __init__(self, server: StripeServer, port: int = 0) -> None:
        self._listener = listen("127.0.0.1", port)
        self._uvicorn = _configure(server)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _run(self) -> None:
        asyncio.run(self._uvicorn.serve(sockets=[self._listener]))

    def __enter__(self) -> str:
        self._thread.start()  # the port listens already: a request waits until the loop runs
        return self.url

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._uvicorn.should_exit = True
        self._thread.join(10)
        self._listener.close()
