"""Faults of the API on demand: down, slow, 429, 500, and an answer cut off in its middle."""

from dataclasses import dataclass
from typing import Any

from .errors import StripeError, invalid

KINDS = ("down", "slow", "429", "500", "cut")


@dataclass
class Fault:
    """Strikes `count` more requests whose path starts with `path` (and of `method`, when given).

    `after`: the request is carried out, and its answer lost or spoiled; so always with `cut`, and never with `429`.
    """

    kind: str
    count: int = 1
    path: str = "/v1/"
    method: str | None = None
    seconds: float = 1.0
    after: bool = False


class Faults:
    def __init__(self) -> None:
        self.waiting: list[Fault] = []

    def add(self, given: dict[str, Any]) -> None:
        """Raises StripeError for a fault that there is not."""
        kind = str(given.get("fault"))
        if kind not in KINDS:
            raise invalid(f"Invalid fault: must be one of {', '.join(KINDS)}", "fault")
        known = {name: given[name] for name in ("count", "path", "method", "seconds", "after") if name in given}
        if set(given) - set(known) - {"fault"}:
            raise invalid(f"Received unknown parameter: {sorted(set(given) - set(known) - {'fault'})[0]}")
        fault = Fault(kind, **known)
        fault.after = kind == "cut" or (fault.after and kind in ("down", "500"))
        self.waiting.append(fault)

    def take(self, method: str, path: str) -> Fault | None:
        for fault in self.waiting:
            if path.startswith(fault.path) and fault.method in (None, method):
                fault.count -= 1
                if fault.count <= 0:
                    self.waiting.remove(fault)
                return fault
        return None


def refusal(fault: Fault) -> StripeError:
    """The answer of a server that is overloaded or broken; no idempotency key remembers it."""
    if fault.kind == "429":
        error = StripeError(
            429, "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.", code="rate_limit"
        )
    else:
        error = StripeError(500, "Sorry! There was an error while talking to one of our backends.", type="api_error")
    error.stored = False
    return error
