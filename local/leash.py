"""Runs one command that can't outlive its master: `python leash.py COMMAND…`, with a pipe as standard input.

The pipe ends when the master closes it and when the master dies, however it dies (SIGKILL too), on every POSIX system;
then the command and its own children get SIGTERM, and SIGKILL after a grace period. Standard library only, and started
with `-I -S`: it is up in a few milliseconds.
"""

import os
import signal
import subprocess
import sys
import threading

GRACE = 5.0  # seconds between SIGTERM and SIGKILL


def main() -> int:
    # Signals go to the whole group, of which this process is the leader: it must survive its own.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)  # the master's own command line  # the master's own command line
    threading.Thread(target=_end_with_master, args=(child,), daemon=True).start()
    return child.wait()


def _end_with_master(child: "subprocess.Popen[bytes]") -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.killpg(0, signal.SIGTERM)
    try:
        child.wait(GRACE)
    except subprocess.TimeoutExpired:
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
