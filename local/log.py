"""What the host prints: one readable line for each request, and lines of its own."""

import logging
import re
import sys
import time
from datetime import datetime

# Path segments that are secrets in themselves: whoever reads the log could use them.
_SECRET_SEGMENT = re.compile(r"(/share/)[^/]+", re.IGNORECASE)
_UNSEEN = re.compile(r"[^\x21-\x7e]")


class Cut(Exception):
    """Raised to cut a connection whose response has begun: the one way that ASGI has. The reason is logged already."""


def _is_news(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], Cut))


def set_up() -> None:
    """Lines reach the terminal as they are written, even through a pipe; libraries' chatter does not."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(line_buffering=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s  %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S")
    for name in ("azure", "azure_functions_runtime", "uvicorn", "httpx", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_is_news)


def line(text: str) -> None:
    sys.stdout.write(f"{datetime.now():%H:%M:%S}  {text}\n")


def masked(raw_path: bytes) -> str:
    """The path as sent, without its query, with share tokens hidden and nothing that a terminal would act on."""
    return visible(_SECRET_SEGMENT.sub(r"\1***", raw_path.decode("latin-1")))


def visible(text: str) -> str:
    return text if text.isascii() and text.isprintable() else _UNSEEN.sub("?", text)


def request_line(method: str, raw_path: bytes, status: int, whole: bool, started: float, size: int, request_id: bytes) -> None:
    """`status` 0: nothing was answered. A response that was cut short says so."""
    shown = f"{status or '---'}{'' if whole else ' cut'}"
    elapsed = (time.perf_counter() - started) * 1000
    identity = visible(request_id.decode("latin-1"))
    line(f"{method:6} {masked(raw_path)}  {shown}  {elapsed:.1f} ms  {size} B  {identity or '-'}")
