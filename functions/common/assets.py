"""The assets of our own pages, in a folder of the address whose name is their version.

Pages link to ``/static/<version>/<name>``, which browsers and Front Door may keep for a year: another version has another address, also
for what one asset loads beside itself. ``/static/<name>`` is the same for who wants an address that stays.
"""

import functools
import hashlib
from pathlib import Path

from starlette.responses import Response

FOLDER = Path(__file__).resolve().parent.parent / "static"
_SCRIPT, _STYLE = "text/javascript; charset=utf-8", "text/css; charset=utf-8"
_TYPES = {".js": _SCRIPT, ".css": _STYLE, ".svg": "image/svg+xml"}


@functools.cache
def _files() -> dict[str, Path]:
    """By name. Only what stands in these two folders is ever served, and only by the name it has there."""
    return {path.name: path for folder in (FOLDER, FOLDER / "vendor") for path in sorted(folder.iterdir()) if path.suffix in _TYPES}


@functools.cache
def version() -> str:
    """The beginning of a hash of everything that is served."""
    digest = hashlib.sha256()
    for name, path in _files().items():
        digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def url(name: str) -> str:
    return f"/static/{version()}/{name}"


def asset(name: str, of: str | None = None) -> Response | None:
    """The asset, if there is one of that name; ``of`` is the version that was asked for. Another one than ours gets ours, which nobody
    may keep: a page of a deployment before or after this one is open somewhere."""
    path = _files().get(name)
    if path is None:
        return None
    kept = "no-cache" if of not in (None, version()) else "public, max-age=31536000, immutable" if of else "public, max-age=3600"
    return Response(path.read_bytes(), media_type=_TYPES[path.suffix], headers={"Cache-Control": kept})
