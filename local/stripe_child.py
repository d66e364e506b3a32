"""Stripe's stand-in as a child: what payments talk to when no STRIPE_SECRET_KEY names the real one.

Its state and its keys are kept in the data folder. Hosts of one folder share the one that the first of them started, which
holds an advisory lock; the system frees it however that host ends.
"""

import json
import secrets
import sys
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import IO, Any

from .services import Child, answers, free_ports, is_free, try_lock
from .settings import StartError

_START_LIMIT = 20.0  # seconds
_STRIPE = "https://api.stripe.com"
_SETTINGS = ("STRIPE_SECRET_KEY", "STRIPE_PUBLISHABLE_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_API_BASE")


def wants_stripe(environ: MutableMapping[str, str]) -> bool:
    """Whether payments run here and nobody has said which Stripe they use."""
    services = [name.strip().lower() for name in (environ.get("SERVICES") or "all").split(",")]
    # The example settings spell out the default, which names nobody's Stripe without a key.
    named = environ.get("STRIPE_SECRET_KEY") or environ.get("STRIPE_API_BASE", "").rstrip("/") not in ("", _STRIPE)
    return not named and environ.get("ENVIRONMENT") != "production" and ("all" in services or "payments" in services)


class StripeStandIn:
    """`launch` starts it, `ready` waits for it; `stop` ends it if it is ours."""

    def __init__(self, root: Path, data_dir: Path) -> None:
        self._root, self._data = root, data_dir
        self._record, self._log = data_dir / "stripe.json", data_dir / "stripe.log"
        self._lock: IO[bytes] | None = None
        self._child: Child | None = None
        self.url = ""

    def launch(self, app_port: int, environ: MutableMapping[str, str]) -> None:
        """Start it, or find the one that is there, and point the app's settings to it."""
        known = self._known()
        self._lock = try_lock(self._data / "stripe.lock")
        if self._lock is not None:
            port = known.get("port", 0)
            if not port or not is_free(port):
                [port] = free_ports(1)
            known = {"port": port, "key": known.get("key") or _made("sk_test_"), "webhook": known.get("webhook") or _made("whsec_")}
            self._record.touch(0o600)
            self._record.write_text(json.dumps(known))
            self._child = Child(
                [
                    *(sys.executable, "-m", "local.stripe", "--port", str(port), "--data", str(self._data / "stripe.db")),
                    *("--base-url", f"http://localhost:{port}", "--secret-key", known["key"], "--webhook-secret", known["webhook"]),
                    *("--webhook-url", f"http://127.0.0.1:{app_port}/api/webhooks/stripe"),
                ],
                self._log,
                cwd=self._root,
            )
        if "port" not in known:
            raise StartError(f"another host is just starting Stripe's stand-in in {self._data}: try again")
        self.url = f"http://127.0.0.1:{known['port']}"
        values = (known["key"], "pk_test_standin", known["webhook"], self.url)
        environ.update(zip(_SETTINGS, values, strict=True))

    def ready(self) -> None:
        """Wait until it answers. Raises StartError when it does not."""
        limit = time.monotonic() + _START_LIMIT
        while not answers(int(self.url.rpartition(":")[2])):
            if (self._child is not None and self._child.exited()) or time.monotonic() > limit:
                tail = self._log.read_text(errors="replace").strip()[-500:] if self._log.exists() else ""
                raise StartError(f"Stripe's stand-in does not come up: {tail or 'it says nothing'} ({self._log}), or use --no-stripe")
            time.sleep(0.03)

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()
            self._child = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _known(self) -> dict[str, Any]:
        try:
            found = json.loads(self._record.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _made(prefix: str) -> str:
    return prefix + secrets.token_hex(16)
