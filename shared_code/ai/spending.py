"""A user's account with the gateway: one row of what was spent, what is leased, and what was used on the last two days.

All of it stands in the row ``account`` of the user's partition, so that one write with the row's ETag changes it together. Money is in
micro-dollars, by *purse*: ``""`` is the user's own, an API key's id is that key's.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared_code.storage.ports import Row, Value

from .models import Usage

TABLE, ACCOUNT_KEY, DAY_PREFIX = "aiaccounts", "account", "d:"
GONE = "~"
"""Begins the partitions of deleted users' usage, which is nobody's; no user's id begins so."""
USER = ""
"""The user's own purse."""
PIECE = 30_000
"""Characters of one property; a string property holds 32 Ki (``storage/limits.py``)."""
VERSION = 1


@dataclass(frozen=True, slots=True)
class Counts:
    """What was used: ``estimated`` is how many of the requests came without the upstream's own figures."""

    requests: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    micro: int = 0
    estimated: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(mine + theirs for mine, theirs in zip(self.packed(), other.packed(), strict=True)))

    def packed(self) -> list[int]:
        return [self.requests, self.input_tokens, self.cached_tokens, self.output_tokens, self.micro, self.estimated]

    @classmethod
    def of(cls, usage: Usage, micro: int) -> "Counts":
        return cls(1, usage.input_tokens, min(usage.cached_tokens, usage.input_tokens), usage.output_tokens, micro, int(usage.estimated))


ByModel = Mapping[str, Counts]


@dataclass(frozen=True, slots=True)
class Lease:
    """What one instance may spend without asking: counts as held until ``expires``.

    ``serial`` numbers the instance's writes: after a lost answer it tells which of them arrived.
    """

    expires: int
    """Milliseconds since the epoch."""
    serial: int
    amounts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Account:
    """``spent`` is of ``month`` (``2026-11``, UTC), ``previous_spent`` of the one before it that had any."""

    budget: int | None = None
    """What an administrator has set; None: what the plan or the settings say."""
    month: str = ""
    spent: Mapping[str, int] = field(default_factory=dict)
    previous_month: str = ""
    previous_spent: Mapping[str, int] = field(default_factory=dict)
    leases: Mapping[str, Lease] = field(default_factory=dict)
    days: Mapping[str, ByModel] = field(default_factory=dict)
    """By day (``2026-11-24``): today and yesterday, or the last two that anything happened on."""
    lifetime: ByModel = field(default_factory=dict)
    plan: int | None = None
    """What the plan said at ``plan_at``, so that a first request need not ask for it."""
    plan_at: int = 0

    def held(self, purse: str, now: int, month: str) -> int:
        """All that is leased now, whether a request is using it or not."""
        if month != self.month:
            return 0
        return sum(lease.amounts.get(purse, 0) for lease in self.leases.values() if lease.expires > now)

    def spent_in(self, purse: str, month: str) -> int:
        return self.spent.get(purse, 0) if month == self.month else 0


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def month_of(moment: datetime) -> str:
    return f"{moment:%Y-%m}"


def day_of(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


def next_month(moment: datetime) -> datetime:
    """When the month after this one begins, in UTC."""
    first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


def yesterday(moment: datetime) -> str:
    return day_of(moment - timedelta(days=1))


def account_values(account: Account) -> dict[str, Value]:
    state = {
        "spent": dict(account.spent),
        "previous": [account.previous_month, dict(account.previous_spent)],
        "leases": {name: [lease.expires, lease.serial, dict(lease.amounts)] for name, lease in account.leases.items()},
        "days": {day: pack_models(models) for day, models in account.days.items()},
        "lifetime": pack_models(account.lifetime),
        "plan": [account.plan, account.plan_at],
    }
    return {"v": VERSION, "kind": "account", "budget": account.budget, "month": account.month, **pieces(state)}


def to_account(row: Row | None) -> Account:
    if row is None:
        return Account()
    state = joined(row)
    budget, (plan, plan_at) = row.values.get("budget"), state["plan"]
    return Account(
        budget=budget if isinstance(budget, int) else None,
        month=str(row.values["month"]),
        spent=state["spent"],
        previous_month=state["previous"][0],
        previous_spent=state["previous"][1],
        leases={name: Lease(expires, serial, amounts) for name, (expires, serial, amounts) in state["leases"].items()},
        days={day: unpack_models(models) for day, models in state["days"].items()},
        lifetime=unpack_models(state["lifetime"]),
        plan=plan,
        plan_at=plan_at,
    )


def day_values(models: ByModel) -> dict[str, Value]:
    return {"v": VERSION, "kind": "day", **pieces(pack_models(models))}


def to_day(row: Row) -> ByModel:
    return unpack_models(joined(row))


def pack_models(models: ByModel) -> dict[str, list[int]]:
    return {model: counts.packed() for model, counts in models.items()}


def unpack_models(packed: Mapping[str, list[int]]) -> ByModel:
    return {model: Counts(*numbers) for model, numbers in packed.items()}


def pieces(state: Mapping[str, Any]) -> dict[str, Value]:
    text = json.dumps(state, separators=(",", ":"))
    return {f"state{number}": text[first : first + PIECE] for number, first in enumerate(range(0, len(text), PIECE))}


def joined(row: Row) -> Any:
    text, number = "", 0
    while (piece := row.values.get(f"state{number}")) is not None:
        text, number = text + str(piece), number + 1
    return json.loads(text)
