"""100 MiB through the app to Azurite, beside Express + multer + @azure/storage-blob: ``.venv/bin/python bench/upload_large.py``.

The peer does what people write: multer holds the file in memory, ``uploadData`` sends it in one PUT. It checks no token, hashes
nothing and writes no row; the app does all of that (SPEC §4) and its triggers poll besides. One client sends to both, from
memory, over one connection an upload. Memory is the resident memory of the process (/proc), its highest value during all uploads
less the value when idle, after one small upload has loaded all code.
"""

import argparse
import http.client
import json
import os
import time

from support import Server, Setup, banner, call, median, multipart, paired, register, spread, table, verdict

MIB = 1024 * 1024
SIZE = 100 * MIB
MP4 = bytes.fromhex("00000020667479706d703432000000006d70343269736f6d617663316d703431")
MEMORY_GOAL = 16.0  # MiB


def upload(server: Server, path: str, body: bytes, content_type: str, token: str) -> float:
    """Seconds from the connection's start to the answer's end."""
    started = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    connection.connect()
    connection.putrequest("POST", path)
    connection.putheader("Content-Type", content_type)
    connection.putheader("Content-Length", str(len(body)))
    connection.putheader("Authorization", f"Bearer {token}")
    connection.endheaders()
    assert connection.sock is not None
    connection.sock.sendall(body)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status != 201 or json.loads(text)["size"] != SIZE:
        raise RuntimeError(f"{answer.status}: {text[:500]!r}")
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    banner("upload of 100 MiB, one at a time")
    body, content_type = multipart(MP4 + os.urandom(SIZE - len(MP4)), "film.mp4", "video/mp4")
    small, _ = multipart(MP4 + bytes(100_000), "film.mp4", "video/mp4")
    with Setup() as setup:
        azurite = setup.azurite()
        app, peer = setup.app(azurite), setup.peer(azurite)
        token = register(app, 1)[0]
        sides = {"app": (app, "/api/files/upload"), "peer": (peer, "/large")}
        idle: dict[str, int] = {}
        for name, (server, path) in sides.items():
            for _ in range(5):
                call(server.url + path, token, small, content_type)
            idle[name] = server.rss()
        seconds: dict[str, list[float]] = {"app": [], "peer": []}
        peaks = dict(idle)
        for _ in range(rounds):
            for name, (server, path) in sides.items():
                with server.peak() as peak:
                    seconds[name].append(upload(server, path, body, content_type, token))
                peaks[name] = max(peaks[name], peak())
        rows = []
        for name in sides:
            above = (peaks[name] - idle[name]) / MIB
            rows.append([name, spread(seconds[name]), f"{100 / median(seconds[name]):.0f}", f"{idle[name] / MIB:.0f}", f"{above:.1f}"])
        table(["", "seconds", "MiB/s", "idle MiB", "MiB above idle"], rows)
        above = (peaks["app"] - idle["app"]) / MIB
        print(f"memory above idle {above:.1f} MiB (goal {MEMORY_GOAL:.0f}{'' if above <= MEMORY_GOAL else ', MISSED'})")
        verdict("upload_large", paired(seconds["peer"], seconds["app"]), 1.0)


if __name__ == "__main__":
    main()
