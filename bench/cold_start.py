"""Cold start: import and index of ``SERVICES=files`` in a fresh process: ``.venv/bin/python bench/cold_start.py``.

In a virtual environment that holds requirements.txt and nothing else (made once, in .cache/bench-venv), byte code compiled.
A run is what Azure's worker does with the app: import function_app, then ``get_functions()``; the clock runs inside the
process, from before the first import, so that the interpreter's own start (beside it in the table) is not counted.
Beside it, in alternating runs: the import of the two frameworks alone, which nothing of ours can be faster than.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections import defaultdict

from support import ROOT, banner, median, spread, table

VENV = ROOT / ".cache" / "bench-venv"
PYTHON = VENV / "bin" / "python"
GOAL = 0.7
TIMED = "import time; t = time.perf_counter(); {}; print(time.perf_counter() - t, time.process_time())"
APP = "import function_app; function_app.app.get_functions()"
FRAMEWORKS = "import azure.functions, fastapi"
SPLIT = re.compile(r"import time: +(\d+) \| +\d+ \| ( *)(\S+)")
GROUPS = {
    "fastapi, starlette, pydantic": (
        "fastapi",
        "starlette",
        "pydantic",
        "pydantic_core",
        "annotated_types",
        "annotated_doc",
        "typing_inspection",
        "anyio",
    ),
    "azure.functions and werkzeug": ("azure", "azurefunctions", "werkzeug", "markupsafe"),
    "structlog": ("structlog",),
    "ours": ("function_app", "functions", "shared_code"),
}


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AZURE", "JWT", "PYTHON"))}
    connection = "DefaultEndpointsProtocol=https;AccountName=bench;AccountKey=YmVuY2g=;EndpointSuffix=core.windows.net"
    return {**kept, "SERVICES": "files", "ENVIRONMENT": "local", "LOG_FORMAT": "json", "AZURE_STORAGE_CONNECTION_STRING": connection}


def prepare() -> None:
    """Make the virtual environment, or make it anew when requirements.txt has changed."""
    stamp, wanted = VENV / "requirements.txt", (ROOT / "requirements.txt").read_text()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
    subprocess.run(
        [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(ROOT / "requirements.txt")], check=True
    )
    stamp.write_text(wanted)


def run(code: str) -> tuple[float, float, float]:
    """Seconds of the code by the clock, CPU seconds of the process, and seconds of the whole process."""
    began = time.perf_counter()
    output = subprocess.run(
        [str(PYTHON), "-c", TIMED.format(code)], cwd=ROOT, env=environment(), check=True, capture_output=True, text=True
    )
    whole = time.perf_counter() - began
    clock, cpu = output.stdout.split()[-2:]
    return float(clock), float(cpu), whole


def split() -> dict[str, float]:
    """Milliseconds of each group of modules, their own time only. Standard library: what is in no group."""
    output = subprocess.run(
        [str(PYTHON), "-X", "importtime", "-c", "import function_app"],
        cwd=ROOT,
        env=environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    times: dict[str, float] = defaultdict(float)
    for own, _, module in SPLIT.findall(output.stderr):
        package = module.partition(".")[0]
        group = next((name for name, packages in GROUPS.items() if package in packages), "standard library and others")
        times["ours: composing, the routes' models" if module == "function_app" else group] += int(own) / 1000
    return times


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    prepare()
    banner("cold start of SERVICES=files")
    runs: dict[str, list[tuple[float, float, float]]] = {"import and index": [], "azure.functions and fastapi alone": []}
    run(APP)  # byte code
    for _ in range(rounds):
        runs["import and index"].append(run(APP))
        runs["azure.functions and fastapi alone"].append(run(FRAMEWORKS))
    rows = [[name, *(spread([one[column] for one in measured], 3) for column in range(3))] for name, measured in runs.items()]
    table(["", "seconds", "CPU seconds of the process", "whole process"], rows)
    splits = [split() for _ in range(rounds)]
    print("\nthe import, by own time of modules (median, with the cost of measuring):")
    parts = {name: median([one.get(name, 0.0) for one in splits]) for name in splits[0]}
    table(["", "ms"], [[name, f"{value:.0f}"] for name, value in sorted(parts.items(), key=lambda item: -item[1])])
    seconds = median([one[0] for one in runs["import and index"]])
    print(f"\nratio cold_start {seconds / GOAL:.2f} of the {GOAL} s allowed: {seconds:.3f} s{'' if seconds <= GOAL else ', MISSED'}")


if __name__ == "__main__":
    main()
