"""Servers that are wrong on purpose: one that says yes to everything, and a DNS server of a few lines."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Careless(BaseHTTPRequestHandler):
    """Every request is fine: no header, no document and no signature is looked at. What a mistake in front of the app looks like."""

    protocol_version = "HTTP/1.1"
    status, body, kind = 200, b"ok", "text/plain"

    def answer(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Type", self.kind)
        self.send_header("Content-Length", str(len(self.body)))
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(self.body)
        self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = answer

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def name_of(text: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


def record(kind: int, data: bytes) -> bytes:
    """With a pointer to the question's name, as real servers answer."""
    return b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(data)) + data


def text(value: str) -> bytes:
    parts = [value[at : at + 255].encode() for at in range(0, len(value), 255)]
    return b"".join(bytes([len(part)]) + part for part in parts)


@contextmanager
def name_server(zone: dict[str, list[bytes]]) -> Iterator[tuple[str, int]]:
    """Answers with the zone's records, whatever kind is asked for."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                query, client = wire.recvfrom(1024)
                if query == b"end":
                    return
                labels, place = [], 12
                while query[place]:
                    labels.append(query[place + 1 : place + 1 + query[place]].decode())
                    place += 1 + query[place]
                found = zone.get(".".join(labels), [])
                wire.sendto(query[:2] + struct.pack(">HHHHH", 0x8180, 1, len(found), 0, 0) + query[12:] + b"".join(found), client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield wire.getsockname()
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stop:
                stop.sendto(b"end", wire.getsockname())
            thread.join()
