"""A stand-in for an outside system as a child: one a data folder, shared by all hosts of that folder, ended with the last one.

Hosts elect who runs it by an advisory lock, which the system frees however its holder ends. When the holder leaves or the
child dies, it is started again on the port it had, so that the settings of every host stay true.
"""

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import IO, Any

from . import leash, log
from .services import Child, answers, free_ports, is_free, try_lock
from .settings import StartError

_START_LIMIT = 20.0  # seconds
_LOOK_EVERY = 0.5  # seconds
_LONGEST_PAUSE = 10.0  # seconds between tries to start one that does not come up


class StandIn(ABC):
    """`launch` starts it, `ready` waits for it, `watch` keeps it there; `stop` ends it if it is ours."""

    name: str
    """How messages call it: "Stripe's stand-in"."""
    slug: str
    """Of its files in the data folder, and of the option that leaves it out: ``--no-<slug>``."""
    label: str
    remark: str
    """What the start says of it, behind its address."""

    def __init__(self, root: Path, data_dir: Path) -> None:
        self._root, self._data = root, data_dir
        self._record, self._log = data_dir / f"{self.slug}.json", data_dir / f"{self.slug}.log"
        self._lock: IO[bytes] | None = None
        self._child: Child | None = None
        self._app_port = 0
        self.url = ""

    @abstractmethod
    def command(self, known: Mapping[str, Any], app_port: int) -> Sequence[str]:
        """The child's command line; ``known["port"]`` is where it listens."""

    @abstractmethod
    def settings(self, known: Mapping[str, Any]) -> Mapping[str, str]:
        """App settings that point to it."""

    def made(self, known: Mapping[str, Any]) -> Mapping[str, Any]:
        """What is kept beside the port from one run to the next, such as its keys; ``known`` is what was kept so far."""
        return {}

    def launch(self, app_port: int, environ: MutableMapping[str, str]) -> None:
        """Start it, or find the one that is there, and point the app's settings to it. Raises StartError."""
        self._app_port = app_port
        known = self._known()
        self._lock = try_lock(self._data / f"{self.slug}.lock")
        if self._lock is not None:
            port = known.get("port", 0)
            if not port or not is_free(port):
                [port] = free_ports(1)
            known = {"port": port, **self.made(known)}
            self._record.touch(0o600)
            self._record.write_text(json.dumps(known))
            self._start(known)
        if "port" not in known:
            raise StartError(f"another host is just starting {self.name} in {self._data}: try again")
        self.url = f"http://127.0.0.1:{known['port']}"
        environ.update(self.settings(known))

    def ready(self) -> None:
        """Wait until it answers. Raises StartError when it does not."""
        limit = time.monotonic() + _START_LIMIT
        while not answers(int(self.url.rpartition(":")[2])):
            if (self._child is not None and self._child.exited()) or time.monotonic() > limit:
                tail = self._log.read_text(errors="replace").strip()[-500:] if self._log.exists() else ""
                raise StartError(f"{self.name} does not come up: {tail or 'it says nothing'} ({self._log}), or use --no-{self.slug}")
            time.sleep(0.03)

    async def watch(self) -> None:
        """Restart a dead child; take over from a host that has ended."""
        pause = _LOOK_EVERY
        while True:
            await asyncio.sleep(pause)
            if self._child is not None and self._child.exited():
                log.line(f"{self.name} has ended unexpectedly, starting it again; see {self._log}")
            elif self._child is None and (lock := try_lock(self._data / f"{self.slug}.lock")) is not None:
                self._lock = lock
                log.line(f"the host that ran {self.name} has ended; taking over")
            else:
                pause = _LOOK_EVERY
                continue
            try:
                await asyncio.to_thread(self._restart)
            except StartError as error:
                log.line(str(error))
                pause = min(pause * 2, _LONGEST_PAUSE)

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()
            self._child = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _restart(self) -> None:
        known = self._known()
        limit = time.monotonic() + leash.GRACE + 1
        while not is_free(known["port"]) and time.monotonic() < limit:
            time.sleep(0.05)  # its host was killed a moment ago; it is still on its way out
        self._start(known)
        self.ready()

    def _start(self, known: Mapping[str, Any]) -> None:
        self._child = Child(self.command(known, self._app_port), self._log, cwd=self._root)

    def _known(self) -> dict[str, Any]:
        try:
            found = json.loads(self._record.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def serves(environ: Mapping[str, str], *services: str) -> bool:
    """Whether a developer's app with these settings runs one of ``services``; production brings no stand-in."""
    chosen = [name.strip().lower() for name in (environ.get("SERVICES") or "all").split(",")]
    return environ.get("ENVIRONMENT") != "production" and any(name in chosen for name in ("all", *services))
