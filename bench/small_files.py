"""200 KiB files, 16 at a time, beside an Express peer that does the same work: ``.venv/bin/python bench/small_files.py``.

The peer (bench/peer/server.mjs) verifies an ES256 token, hashes, sniffs and makes the same storage calls: blob PUT, quota row
read and replaced by ETag, record row inserted; for a download record row read, blob GET piped through. Sixteen users, one
connection each, so that no ETag conflict slows the peer. Both stand on one Azurite and one process each; wrk is the client and
takes a few per cent of a core. Blob triggers are off: on Azure they run on other instances (and their polling in the host).
CPU ms is what the server's process used for each request: what is left when Azurite is the limit of both.
"""

import argparse
import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from support import HERE, TRIGGERS_OFF, Server, Setup, banner, call, median, multipart, paired, register, spread, table, verdict

SIZE = 200 * 1024
AT_ONCE = 16
FILES = 4  # downloaded in turn by each user
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"


@dataclass
class Figures:
    rate: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    storage_cpu: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)


def load(server: Server, storage: Server, script: str, seconds: int, figures: Figures, environment: dict[str, str]) -> None:
    command = ["wrk", f"-t{AT_ONCE}", f"-c{AT_ONCE}", f"-d{seconds}s", "--timeout", "30s", "-s", str(HERE / "load" / script), server.url]
    variables = {**os.environ, "COMMON": str(HERE / "load" / "common.lua"), **environment}
    before, storage_before = server.cpu(), storage.cpu()
    output = subprocess.run(command, env=variables, check=True, capture_output=True, text=True).stdout
    result = json.loads(output.strip().splitlines()[-1])
    if result["errors"] or not result["requests"]:
        raise RuntimeError(f"{script}: {result}\n{server.log.read_text(errors='replace')[-2000:]}")
    figures.rate.append(result["requests"] / result["seconds"])
    figures.cpu.append((server.cpu() - before) / result["requests"] * 1000)
    figures.storage_cpu.append((storage.cpu() - storage_before) / result["requests"] * 1000)
    figures.p50.append(result["p50"])
    figures.p99.append(result["p99"])


def report(title: str, sides: dict[str, Figures]) -> float:
    head = [title, "requests/s", "CPU ms", "Azurite CPU ms", "p50 ms", "p99 ms"]
    rows = [
        [name, spread(side.rate, 0), spread(side.cpu), spread(side.storage_cpu), f"{median(side.p50):.1f}", f"{median(side.p99):.1f}"]
        for name, side in sides.items()
    ]
    table(head, rows)
    print(f"CPU of the server for each request, peer ÷ app: {paired(sides['peer'].cpu, sides['app'].cpu):.2f}\n")
    return paired(sides["app"].rate, sides["peer"].rate)


Results = dict[str, dict[str, Figures]]


def measure(rounds: int, seconds: int, body: bytes, content_type: str, results: Results) -> None:
    """Some rounds on an Azurite of their own: it looks rows up one by one, so that a table of 8,000 rows costs it twice the CPU."""
    with Setup() as setup:
        azurite = setup.azurite()
        storage = Server(azurite.process, 0, Path())
        app = setup.app(azurite, **TRIGGERS_OFF)
        peer = setup.peer(azurite, JWKS=json.dumps(call(f"{app.url}/.well-known/jwks.json")))
        tokens = register(app, AT_ONCE)
        form = setup.folder / "form"
        form.write_bytes(body)
        servers = {"app": app, "peer": peer}
        users = setup.folder / "tokens"
        users.write_text("".join(f"{token}\n" for token in tokens))
        upload = {"USERS": str(users), "BODY": str(form), "CONTENT_TYPE": content_type, "TARGET": "/api/files/upload"}
        downloads = {}
        for name, server in servers.items():
            listed = setup.folder / f"files-{name}"
            lines = [
                " ".join([token, *(call(server.url + upload["TARGET"], token, body, content_type)["id"] for _ in range(FILES))])
                for token in tokens
            ]
            listed.write_text("".join(f"{line}\n" for line in lines))
            downloads[name] = {"USERS": str(listed), "TARGET": "/api/files/"}
        work = {"download": downloads, "upload": dict.fromkeys(servers, upload)}
        for kind, side in work.items():
            for name, server in servers.items():  # code is loaded and compiled before anything counts
                load(server, storage, f"{kind}.lua", 1, Figures(), side[name])
            for turn in range(rounds):
                for name in (*servers,) if turn % 2 else (*reversed(servers),):
                    load(servers[name], storage, f"{kind}.lua", seconds, results[kind][name], side[name])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--setups", type=int, default=5, help="each with an Azurite of its own")
    parser.add_argument("--rounds", type=int, default=2, help="in each setup")
    parser.add_argument("--seconds", type=int, default=3)
    options = parser.parse_args()
    banner(f"{SIZE // 1024} KiB files, {AT_ONCE} at a time")
    body, content_type = multipart(PDF + os.urandom(SIZE - len(PDF)), "report.pdf", "application/pdf")
    results: Results = {kind: {name: Figures() for name in ("app", "peer")} for kind in ("download", "upload")}
    for _ in range(options.setups):
        measure(options.rounds, options.seconds, body, content_type, results)
    ratios = {kind: report(kind, sides) for kind, sides in results.items()}
    for kind, ratio in ratios.items():
        verdict(f"small_{kind}", ratio, 1.0)


if __name__ == "__main__":
    main()
