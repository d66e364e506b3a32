"""What this process and the machine under it use, by psutil. It is loaded with the first look, in a thread."""

import asyncio
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Resources:
    """Sizes are bytes. ``cpu_percent``: of one core, by this process since the look before (0 at the first), so that two busy
    threads make 200; ``machine_cpu_percent``: of all cores. ``disk_…``: where temporary files go. ``open_files``: descriptors,
    sockets among them."""

    cpu_percent: float
    machine_cpu_percent: float
    cpu_count: int
    memory_bytes: int
    machine_memory_bytes: int
    machine_memory_available_bytes: int
    disk_bytes: int
    disk_free_bytes: int
    threads: int
    open_files: int
    uptime_seconds: float

    def values(self) -> dict[str, int | float]:
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Resources | None":
        """From a row of any version; None when one of the figures is missing."""
        kinds = cls.__annotations__
        try:
            return cls(**{name: kinds[name](values[name]) for name in kinds})
        except (KeyError, TypeError, ValueError):
            return None


class Gauge:
    """One for a process: a share of CPU is measured from one look to the next."""

    def __init__(self, folder: str) -> None:
        """``folder``: whose disk is looked at."""
        self._folder = folder
        self._process: Any = None

    async def read(self) -> Resources:
        return await asyncio.to_thread(self._read)

    def _read(self) -> Resources:
        import psutil  # type: ignore[import-untyped]  # it ships no types

        if self._process is None:
            self._process = psutil.Process()
        process = self._process
        memory, disk = psutil.virtual_memory(), psutil.disk_usage(self._folder)
        with process.oneshot():
            return Resources(
                cpu_percent=round(process.cpu_percent(None), 1),
                machine_cpu_percent=round(psutil.cpu_percent(None), 1),
                cpu_count=psutil.cpu_count() or 1,
                memory_bytes=process.memory_info().rss,
                machine_memory_bytes=memory.total,
                machine_memory_available_bytes=memory.available,
                disk_bytes=disk.total,
                disk_free_bytes=disk.free,
                threads=process.num_threads(),
                open_files=process.num_fds() if hasattr(process, "num_fds") else process.num_handles(),
                uptime_seconds=round(datetime.now(UTC).timestamp() - process.create_time(), 1),
            )


def host_name() -> str:
    """The machine's (or container's) name, and the process's number on it."""
    return f"{socket.gethostname()}:{os.getpid()}"
