"""Where the azure worker runs: Microsoft's library needs Python >= 3.13, which need not be the one that was started."""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from . import log
from .settings import StartError

_OLDEST = (3, 13)
_RUNTIME = "azure-functions-runtime==1.3.0"
# What the host itself needs beside the app's own requirements.
_HOST_NEEDS = (_RUNTIME, "aiohttp", "azure-storage-blob", "azure-storage-queue", "croniter", "starlette", "uvicorn")


def enter(root: Path, app_dir: Path) -> None:
    """Return if this interpreter can run the azure worker; else go on in one that can, in `.venv-azure` (made when needed).

    Raises StartError when there is no Python >= 3.13, or its packages can't be installed.
    """
    if sys.version_info >= _OLDEST and importlib.util.find_spec("azure_functions_runtime") is not None:
        return
    python = ensure(root, app_dir)
    if Path(sys.executable) == python:
        raise StartError(f"{python} lacks {_RUNTIME}: delete {python.parent.parent} and start again")
    sys.stdout.flush()
    # PYTHONPATH: this package lies in the root, which need not be the working directory.
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    os.execv(python, [str(python), "-m", "local", *sys.argv[1:]])  # our own interpreter  # our own interpreter


def ensure(root: Path, app_dir: Path) -> Path:
    """The interpreter of `.venv-azure`, which is made again whenever the requirements or the Python have changed."""
    base = find_python()
    if base is None:
        raise StartError("--worker azure needs Python 3.13 or newer (python3.13, python3.14 on the PATH, or pyenv's): there is none here")
    requirements = next((path for path in (app_dir / "requirements.txt", root / "requirements.txt") if path.exists()), None)
    wanted = "\n".join([base, *_HOST_NEEDS, requirements.read_text() if requirements else ""])
    stamp_text = hashlib.sha256(wanted.encode()).hexdigest()
    venv = root / ".venv-azure"
    python, stamp = venv / "bin" / "python", venv / "stamp"
    (root / ".cache").mkdir(exist_ok=True)
    with (root / ".cache" / "venv-azure.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several hosts may start at once
        if not (stamp.exists() and stamp.read_text() == stamp_text and python.exists()):
            log.line(f"making {venv} for Microsoft's worker, with {base}; this takes a minute, once")
            shutil.rmtree(venv, ignore_errors=True)
            _run([base, "-m", "venv", str(venv)])
            listed = ["-r", str(requirements)] if requirements else []
            _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *listed, *_HOST_NEEDS])
            stamp.write_text(stamp_text)  # last: what was cut short is made again
    return python


def find_python() -> str | None:
    """A Python that is new enough: this one, the PATH's, or pyenv's."""
    return next((path for path in _candidates() if _is_new_enough(path)), None)


def _candidates() -> Iterator[str]:
    if sys.version_info >= _OLDEST:
        yield getattr(sys, "_base_executable", sys.executable)
    for name in ("python3.13", "python3.14"):
        found = shutil.which(name)
        if found:
            yield found
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for path in sorted(pyenv.glob("3.1[3-9]*/bin/python")):
        yield str(path)


def _is_new_enough(path: str) -> bool:
    # A shim of pyenv's lies on the PATH for versions that are not selected: only running it tells.
    code = f"import sys; sys.exit(sys.version_info < {_OLDEST})"
    try:
        return subprocess.run([path, "-c", code], capture_output=True, timeout=20, check=False).returncode == 0  # a Python
    except (OSError, subprocess.TimeoutExpired):
        return False


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # our own command line  # our own command line
    if done.returncode != 0:
        raise StartError(f"{' '.join(command[:4])} … failed:\n{(done.stderr or done.stdout).strip()[-1500:]}")
