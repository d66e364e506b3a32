"""What one instance knows of one account, and what its requests draw on: all that needs no storage call."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from shared_code.storage.ports import Row

from . import reckoning
from .reckoning import Ask, Granted, Held, Reckoned, Settlement
from .spending import USER, Account, milliseconds, month_of, to_account

STALE = timedelta(seconds=60)
"""How long an instance may go by what it knows of an account without a budget, and of a plan."""
REFRESHED = timedelta(seconds=30)
"""After so long it looks again, behind a request."""
RENEWED = timedelta(seconds=60)
"""A lease that can be drawn on for less than this is renewed, behind a request."""
KEYS = 8
"""API keys whose slices are kept warm: those that were used last."""
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Known:
    account: Account | None = None
    """As last read or written; None: it must be read."""
    etag: str | None = None
    seen_at: datetime = LONG_AGO
    plan: tuple[int | None, datetime] | None = None
    serial: int = 0
    lease: Mapping[str, int] = field(default_factory=dict)
    """What may be drawn on, whichever of the writes under way arrives."""
    lease_until: int = 0
    slice: Mapping[str, int] = field(default_factory=dict)
    """What the last write left free."""
    held: dict[str, Held] = field(default_factory=dict)
    used: Counter[str] = field(default_factory=Counter)
    """The sum over ``held``, of the account's month."""
    waiting: dict[str, Settlement] = field(default_factory=dict)
    """Settlements that are not booked yet, by their hold."""
    doubts: dict[int, Sequence[Settlement]] = field(default_factory=dict)
    """By serial number: what is in writes of which nobody knows whether they arrived, the one under way included."""
    under_way: int = 0
    """The serial number of the write that is under way; 0 when none is."""
    key_budgets: dict[str, int] = field(default_factory=dict)
    largest: int = 0
    busy: int = 0
    touching: bool = False
    resting: bool = False
    """Somebody waits for a pause in which to give the slice back."""
    admitted: int = 0
    """Requests, ever."""

    @property
    def idle(self) -> bool:
        return not (self.held or self.waiting or self.doubts or self.busy)

    def budgets(self, default: int | None, account: Account | None = None) -> dict[str, int]:
        """The purses that have one: the user's by what an administrator, the plan or the settings say."""
        account = account or self.account
        own = account.budget if account is not None else None
        if own is None and self.plan is not None:
            own = self.plan[0]
        if own is None:
            own = default
        return {**({USER: own} if own is not None else {}), **self.key_budgets}

    def shared_with_others(self, me: str, now: datetime) -> bool:
        """Whether other instances have leases, so that the row has likely changed since it was seen."""
        leases = self.account.leases if self.account is not None else {}
        return any(name != me and lease.expires > milliseconds(now) for name, lease in leases.items())

    def note(self, ask: Ask) -> None:
        if ask.key_id is not None and ask.key_budget is not None:
            self.key_budgets.pop(ask.key_id, None)
            self.key_budgets[ask.key_id] = ask.key_budget
            if len(self.key_budgets) > KEYS:
                del self.key_budgets[next(iter(self.key_budgets))]
        if ask.micro is not None:
            # An exceptional request is forgotten after some of the usual kind.
            self.largest = max(ask.micro, self.largest - self.largest // 32)

    def draw(self, ask: Ask, now: datetime, default: int | None, *, plans: bool) -> bool:
        """Take the hold from what this instance has; False when storage must be asked."""
        self.note(ask)
        if self.account is None or self.doubts.keys() - {self.under_way} or (plans and self.plan is None):
            return False
        purses = reckoning.purses_of(ask, self.budgets(default))
        if not purses:
            if now - self.seen_at > STALE:
                return False
            self.admit(ask.id, {}, max(month_of(now), self.account.month), now)
            return True
        if ask.micro is None or self.account.month < month_of(now) or self.drawable_for(now) < timedelta():
            return False
        if any(self.used[purse] + ask.micro > self.lease.get(purse, 0) for purse in purses):
            return False
        self.admit(ask.id, dict.fromkeys(purses, ask.micro), self.account.month, now)
        return True

    def drawable_for(self, now: datetime) -> timedelta:
        return timedelta(milliseconds=self.lease_until - milliseconds(now)) - reckoning.HOLD

    def runs_short(self, now: datetime, default: int | None) -> bool:
        """Whether to renew the lease before a request has to wait for it. A slice that is small because little is left would be no
        larger for being asked for."""
        if not self.budgets(default):
            return False
        low = any(
            amount >= 2 * self.largest and 4 * (self.lease.get(purse, 0) - self.used[purse]) < amount
            for purse, amount in self.slice.items()
        )
        return low or self.drawable_for(now) < RENEWED

    def admit(self, identifier: str, amounts: Mapping[str, int], month: str, now: datetime) -> None:
        self.held[identifier] = Held(month, amounts, milliseconds(now + reckoning.HOLD))
        self.admitted += 1
        if self.account is not None and month == self.account.month:
            self.used.update(amounts)

    def let_go(self, identifier: str) -> None:
        hold = self.held.pop(identifier, None)
        if hold is not None and self.account is not None and hold.month == self.account.month:
            self.used.subtract(hold.amounts)

    def lapse(self, now: datetime) -> None:
        """Holds whose function must have ended hold nothing more. What such a request cost is still booked, should it be told."""
        moment = milliseconds(now)
        for name, hold in list(self.held.items()):
            if hold.until <= moment and name not in self.waiting:
                self.let_go(name)
                if hold.until + milliseconds(datetime.fromtimestamp(0, UTC) + reckoning.FORGOTTEN) > moment:
                    self.held[name] = replace(hold, amounts={})

    # --- reading and writing --------------------------------------------------------------------------------------------

    def loaded(self, row: Row | None, me: str, now: datetime) -> None:
        self.account, self.etag, self.seen_at = to_account(row), row.etag if row else None, now
        lease = self.account.leases.get(me)
        if lease is not None:
            arrived = self.doubts.get(lease.serial)
            if arrived is not None:
                self.booked(arrived)
                self.doubts.clear()  # of several writes on top of the same row one arrives at most
            self.serial = max(self.serial, lease.serial)
        if self.plan is None and self.account.plan_at:
            self.plan = self.account.plan, datetime.fromtimestamp(self.account.plan_at / 1000, UTC)
        self._know_lease(me, now)

    def expect(self, reckoned: Reckoned, settled: Sequence[Settlement]) -> None:
        """A write is under way: until its end, only that is drawn which is covered whether it arrives or not."""
        self.serial += 1
        spare = Counter[str](reckoned.lease)
        for settlement in settled:
            hold = self.held.get(settlement.id)
            if hold is not None and hold.month == reckoned.account.month:
                spare.update(hold.amounts)  # in use until it is booked
        for verdict in reckoned.verdicts:
            if isinstance(verdict, Granted):
                spare.subtract(verdict.amounts)  # promised to those who wait for this write
        self.lease = {purse: min(amount, spare[purse]) for purse, amount in self.lease.items()}
        self.doubts[self.serial], self.under_way = settled, self.serial

    def failed(self) -> None:
        """The write did not come about, or nobody knows: the row must be read."""
        self.account, self.under_way = None, 0

    def written(self, reckoned: Reckoned, settled: Sequence[Settlement], etag: str, me: str, now: datetime) -> None:
        self.doubts.clear()
        self.account, self.etag, self.seen_at, self.under_way = reckoned.account, etag, now, 0
        self.booked(settled)
        self._know_lease(me, now)

    def booked(self, settled: Sequence[Settlement]) -> None:
        for settlement in settled:
            self.waiting.pop(settlement.id, None)
            self.let_go(settlement.id)

    def _know_lease(self, me: str, now: datetime) -> None:
        """What the row says of our own lease, and what of it is in use."""
        account = self.account
        assert account is not None
        lease = account.leases.get(me)
        live = lease is not None and lease.expires > milliseconds(now) and account.month >= month_of(now)
        self.lease, self.lease_until = (lease.amounts, lease.expires) if lease is not None and live else ({}, 0)
        self.used = Counter()
        for hold in self.held.values():
            if hold.month == account.month:
                self.used.update(hold.amounts)
        self.slice = {purse: amount - self.used[purse] for purse, amount in self.lease.items()}
