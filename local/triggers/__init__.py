"""What fires functions when no request does: timers, queues and blobs."""

import asyncio
import os
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any

from .. import log
from ..settings import HostConfig, connection_string, resolve
from ..worker import Function
from .blob import BlobPoller, WatchedFunction
from .queue import QueuePoller
from .receipts import Receipts
from .run import Runner
from .timer import TimerLoop


class Triggers:
    """All loops of one host. A function whose settings are incomplete is named in the log and left out, as in Azure."""

    def __init__(self, runner: Runner, config: HostConfig, data_dir: Path) -> None:
        self._runner = runner
        self._config = config
        self._receipts = Receipts(data_dir / "receipts.sqlite3")
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, functions: Iterable[Function]) -> None:
        watched: dict[tuple[str, str], list[WatchedFunction]] = {}
        for function in functions:
            if _disabled(function.name):
                log.line(f"{function.name} is off: AzureWebJobs.{function.name}.Disabled")
                continue
            try:
                match function.kind:
                    case "timertrigger":
                        self._run(TimerLoop(function, self._runner, resolve(function.trigger["schedule"])).forever())
                    case "queuetrigger":
                        name = resolve(function.trigger["queueName"])
                        self._run(QueuePoller(function, self._runner, self._config, _connection(function), name).forever())
                    case "blobtrigger":
                        container, _, pattern = resolve(function.trigger["path"]).partition("/")
                        watched.setdefault((_connection(function), container), []).append(WatchedFunction(function, pattern))
                    case other:
                        log.line(f"{function.name}: the local host knows no {other}; fire it by POST /admin/functions/{function.name}")
            except (KeyError, ValueError) as error:
                reason = f"setting {error} does not exist" if isinstance(error, KeyError) else str(error)
                log.line(f"{function.name} is off: {reason}")
        for (connection, container), group in watched.items():
            self._run(BlobPoller(group, self._runner, self._config, self._receipts, connection, container).forever())

    def _run(self, loop: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(loop))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._receipts.close()


def _disabled(name: str) -> bool:
    """As in Azure ("How to disable functions"): the function stays, and `/admin/functions/NAME` still fires it."""
    return os.environ.get(f"AzureWebJobs.{name}.Disabled", "").lower() in ("true", "1")


def _connection(function: Function) -> str:
    setting = function.trigger.get("connection")
    found = connection_string(setting, os.environ)
    if found is None:
        raise ValueError(f"no storage connection string in {setting or 'AzureWebJobsStorage'}")
    return found
