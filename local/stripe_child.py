"""Stripe's stand-in as a child: what payments talk to when no STRIPE_SECRET_KEY names the real one.

Its state and its keys are kept in the data folder.
"""

import secrets
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from .standin import StandIn, serves

_STRIPE = "https://api.stripe.com"


def wants_stripe(environ: Mapping[str, str]) -> bool:
    """Whether payments run here and nobody has said which Stripe they use."""
    # The example settings spell out the default, which names nobody's Stripe without a key.
    named = environ.get("STRIPE_SECRET_KEY") or environ.get("STRIPE_API_BASE", "").rstrip("/") not in ("", _STRIPE)
    return not named and serves(environ, "payments")


class StripeStandIn(StandIn):
    name, slug = "Stripe's stand-in", "stripe"
    label, remark = "Stripe", "no money moves"

    def made(self, known: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"key": known.get("key") or _made("sk_test_"), "webhook": known.get("webhook") or _made("whsec_")}

    def command(self, known: Mapping[str, Any], app_port: int) -> Sequence[str]:
        port = known["port"]
        return [
            *(sys.executable, "-m", "local.stripe", "--port", str(port), "--data", str(self._data / "stripe.db")),
            *("--base-url", f"http://localhost:{port}", "--secret-key", known["key"], "--webhook-secret", known["webhook"]),
            *("--webhook-url", f"http://127.0.0.1:{app_port}/api/webhooks/stripe"),
        ]

    def settings(self, known: Mapping[str, Any]) -> Mapping[str, str]:
        return {
            "STRIPE_SECRET_KEY": known["key"],
            "STRIPE_PUBLISHABLE_KEY": "pk_test_standin",
            "STRIPE_WEBHOOK_SECRET": known["webhook"],
            "STRIPE_API_BASE": f"http://127.0.0.1:{known['port']}",
        }


def _made(prefix: str) -> str:
    return prefix + secrets.token_hex(16)
