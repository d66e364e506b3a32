"""The arithmetic of a budget, without storage and without time of its own: from an account as it stands to the next one.

The invariant, for each purse with a budget: what is spent in the month and what is leased by all instances is never more than the
budget. An instance's lease is what its requests under way hold, and a slice on top for those that come next.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from .spending import USER, Account, ByModel, Counts, Lease, milliseconds, month_of, yesterday

HOLD = timedelta(minutes=11)
"""How long a hold lasts: a request ends with its function, after ``functionTimeout`` (ten minutes), and clocks differ a little."""
LEASE = timedelta(minutes=15)
"""How long a lease lasts. It can be drawn on while it outlasts what is drawn, for four minutes; each write begins a new one."""
FORGOTTEN = timedelta(hours=1)
"""How long after its lease an instance's serial number is kept: far longer than it retries a write."""
SHARE = 16
"""A slice is at most this part of what is left, so that several instances near the limit leave each other something …"""
AHEAD = 8
"""… and at most as much as so many of the instance's largest recent requests: what it is likely to need in a lease's time."""
MOST_LEASES = 400
"""Instances that an account remembers: about 30 KiB of its row."""

MOST_PURSES = 500
"""Keys with a budget whose spending a month remembers; an account has at most 100 at a time."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a request under way holds, by purse; nothing where there is no budget."""

    month: str
    amounts: Mapping[str, int]
    until: int


@dataclass(frozen=True, slots=True)
class Ask:
    """``micro``: the worst case; None when some model that may answer has no price."""

    id: str
    micro: int | None
    key_id: str | None = None
    key_budget: int | None = None


@dataclass(frozen=True, slots=True)
class Touch:
    """Book what waits, and renew the lease. ``look``: read the row in any case."""

    look: bool = False


@dataclass(frozen=True, slots=True)
class SetBudget:
    micro: int | None


@dataclass(frozen=True, slots=True)
class Rest:
    """Give back the slice: it counts as held, and nobody draws on it any more."""


Order = Ask | Touch | SetBudget | Rest
"""What an instance may want of an account's row; all that wait are served by one write."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """One request's end: what it cost, to whom. Booked exactly once."""

    id: str
    day: str
    model: str
    counts: Counts
    key_id: str | None = None
    month: str = ""
    """The month whose budget holds it, which is the one in which the request began."""


@dataclass(frozen=True, slots=True)
class Granted:
    amounts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Refused:
    """``purse`` has ``left``; ``unpriced``: there is a budget, and no price to hold it to."""

    purse: str
    left: int = 0
    unpriced: bool = False


@dataclass(frozen=True, slots=True)
class Reckoned:
    account: Account
    lease: Mapping[str, int]
    verdicts: Sequence[Granted | Refused]
    flushed: Mapping[str, ByModel] = field(default_factory=dict)
    """Days that leave the account's row for rows of their own."""


def reckon(
    account: Account,
    me: str,
    serial: int,
    now: datetime,
    *,
    budgets: Mapping[str, int],
    held: Mapping[str, Held],
    settlements: Sequence[Settlement] = (),
    asks: Sequence[Ask] = (),
    largest: int = 0,
) -> Reckoned:
    """The account after one write of the instance ``me``.

    ``budgets``: the purses that have one (each ask's key comes with it). ``held``: what the instance's requests hold before this
    write, those included that it settles.
    """
    moment = milliseconds(now)
    account = _in_month(account, max(month_of(now), account.month))
    account = _booked(account, settlements, now)
    over = {settlement.id for settlement in settlements}
    mine = Counter[str]()
    for identifier, hold in held.items():
        if identifier not in over and hold.month == account.month:
            mine.update(hold.amounts)
    others = Counter[str]()
    for name, lease in account.leases.items():
        if name != me and lease.expires > moment:
            others.update(lease.amounts)

    budgets = {**budgets, **{ask.key_id: ask.key_budget for ask in asks if ask.key_id is not None and ask.key_budget is not None}}

    def left(purse: str) -> int:
        return budgets[purse] - account.spent.get(purse, 0) - others[purse] - mine[purse]

    verdicts: list[Granted | Refused] = []
    for ask in asks:
        verdict = _verdict(ask, {purse: left(purse) for purse in purses_of(ask, budgets)})
        if isinstance(verdict, Granted):
            mine.update(verdict.amounts)
        verdicts.append(verdict)
    slices = {purse: max(0, min(left(purse) // SHARE, AHEAD * largest)) for purse in budgets}
    amounts = {purse: total for purse in {*mine, *slices} if (total := mine[purse] + slices.get(purse, 0)) > 0}
    leases = {**account.leases, me: Lease(milliseconds(now + LEASE), serial, amounts)}
    kept, flushed = _days(account.days, now)
    return Reckoned(replace(account, leases=_remembered(leases, me, moment), days=kept), amounts, verdicts, flushed)


def purses_of(ask: Ask, budgets: Mapping[str, int]) -> list[str]:
    """The purses with a budget that an ask draws on."""
    return [purse for purse in (USER, ask.key_id) if purse is not None and purse in budgets]


def _verdict(ask: Ask, left: Mapping[str, int]) -> Granted | Refused:
    if not left:
        return Granted({})
    if ask.micro is None:
        return Refused(next(iter(left)), unpriced=True)
    for purse, amount in left.items():
        if amount < ask.micro:
            return Refused(purse, max(0, amount))
    return Granted(dict.fromkeys(left, ask.micro))


def _in_month(account: Account, month: str) -> Account:
    """What was leased in another month's budget says nothing about this one's: nobody draws on it any more."""
    if month == account.month:
        return account
    leases = {name: replace(lease, amounts={}) for name, lease in account.leases.items()}
    if not account.month:
        return replace(account, month=month, leases=leases)
    return replace(account, month=month, spent={}, previous_month=account.month, previous_spent=account.spent, leases=leases)


def _booked(account: Account, settlements: Iterable[Settlement], now: datetime) -> Account:
    spent, previous, previous_month = Counter(account.spent), Counter(account.previous_spent), account.previous_month
    days = {day: dict(models) for day, models in account.days.items()}
    lifetime = dict(account.lifetime)
    for settlement in settlements:
        month = settlement.month or settlement.day[:7]
        if month != account.month and month != previous_month:
            previous, previous_month = Counter(), month
        for name in {USER, settlement.key_id or USER}:
            (spent if month == account.month else previous)[name] += settlement.counts.micro
        # Days before yesterday have rows of their own already; none is settled so late (``ledger.GIVEN_UP``).
        day = max(settlement.day, yesterday(now))
        models = days.setdefault(day, {})
        models[settlement.model] = models.get(settlement.model, Counts()) + settlement.counts
        lifetime[settlement.model] = lifetime.get(settlement.model, Counts()) + settlement.counts
    if len(spent) > MOST_PURSES:  # keys that were made, used and revoked, over and over
        spent = Counter(dict([(USER, spent.pop(USER)), *spent.most_common(MOST_PURSES - 1)]))
    return replace(account, spent=dict(spent), previous_month=previous_month, previous_spent=dict(previous), days=days, lifetime=lifetime)


def _days(days: Mapping[str, ByModel], now: datetime) -> tuple[dict[str, ByModel], dict[str, ByModel]]:
    since = yesterday(now)
    return {d: m for d, m in days.items() if d >= since}, {d: m for d, m in days.items() if d < since}


def _remembered(leases: Mapping[str, Lease], me: str, moment: int) -> dict[str, Lease]:
    """Without what has long expired, and not more than fit; those that end first go first, but never ``me``."""
    since = moment - int(FORGOTTEN.total_seconds() * 1000)
    kept = {name: lease for name, lease in leases.items() if lease.expires > since}
    surplus = sorted((name for name in kept if name != me and kept[name].expires <= moment), key=lambda name: kept[name].expires)
    for name in surplus[: max(0, len(kept) - MOST_LEASES)]:
        del kept[name]
    return kept
