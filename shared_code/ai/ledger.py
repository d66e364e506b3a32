"""Accounts on storage: holds that mostly cost no storage call, settlements that are booked exactly once.

An instance leases a slice of the budget with the write that it makes anyway, and draws on it without asking (``reckoning.py``). What it
knows of an account (``known.py``) is the row as it last read or wrote it; another instance's write shows as a changed ETag, and the
row is read again. After a write whose answer was lost, the serial number in the row tells whether it arrived.
"""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

import structlog

from shared_code import ids
from shared_code.clock import Clock
from shared_code.coalesce import Coalescer
from shared_code.dollars import usd_text
from shared_code.errors import BudgetExceeded, Busy, InvalidInput
from shared_code.storage.ports import AlreadyExists, EtagMismatch, Insert, Missing, Operation, Replace, Tables, Upsert

from . import reckoning
from .known import REFRESHED, STALE, Known
from .ports import PlanBudgets, UsageNotes
from .reckoning import Ask, Granted, Order, Reckoned, Refused, Rest, SetBudget, Settlement, Touch
from .spending import ACCOUNT_KEY, DAY_PREFIX, TABLE, USER, Account, account_values, day_values, milliseconds, next_month, to_account

log = structlog.get_logger("lydian.ai")

TRIES = 12
REMEMBERED = 5_000
IDLE = 3.0
"""Seconds without a request after which an account's slice is given back."""


class Ledger:
    def __init__(
        self,
        tables: Tables,
        clock: Clock,
        *,
        default: int | None,
        plans: PlanBudgets | None = None,
        changes: UsageNotes | None = None,
        idle: float = IDLE,
    ) -> None:
        """``default``: micro-dollars a month for whom neither an administrator nor a plan says otherwise; None: no limit.
        ``changes`` is told whose figures have changed."""
        self._tables, self._clock, self._default, self._plans, self._changes = tables, clock, default, plans, changes
        self._me = ids.new_id(clock.now())[-12:]
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._writers: Coalescer[Order, None] = Coalescer(self._commit)
        self._idle = idle
        self._tasks: set[asyncio.Task[None]] = set()
        self._resting: set[asyncio.Task[None]] = set()

    async def hold(self, user_id: str, ask: Ask) -> bool:
        """Reserve; False when no budget stands behind it. Raises BudgetExceeded, InvalidInput ``model_without_price``, Busy and
        StorageUnavailable. No storage call from a warm slice, or where a warm account has no budget."""
        known, now = self._of(user_id), self._clock.now()
        if not known.draw(ask, now, self._default, plans=self._plans is not None):
            task = asyncio.ensure_future(self._submit(user_id, ask))
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                # The write may be under way: when it has been made, what it holds for nobody is given back.
                task.add_done_callback(lambda done: known.let_go(ask.id) if not done.cancelled() and done.exception() is None else None)
                raise
        self._look_ahead(user_id, known)
        return bool(known.held[ask.id].amounts)

    def settle(self, user_id: str, settlement: Settlement) -> bool:
        """The request is over; its settlement waits to be booked. False when it was over already."""
        known = self._of(user_id)
        hold = known.held.get(settlement.id)
        if hold is None or settlement.id in known.waiting:
            return False
        known.waiting[settlement.id] = replace(settlement, month=hold.month)
        return True

    def release(self, user_id: str, hold_id: str) -> bool:
        """The request is over, and nothing of it is to be booked: what it held is free again here, elsewhere with the next write.
        False when it was over already."""
        known = self._of(user_id)
        if hold_id not in known.held or hold_id in known.waiting:
            return False
        known.let_go(hold_id)
        return True

    def give_up(self, user_id: str, hold_id: str) -> None:
        """A settlement that could not be written waits no more."""
        known = self._of(user_id)
        known.waiting.pop(hold_id, None)
        known.let_go(hold_id)

    async def book(self, user_id: str) -> None:
        """Write what waits. Raises StorageUnavailable and Busy, and it goes on waiting."""
        known = self._of(user_id)
        if known.waiting:
            await self._submit(user_id, Touch())
        if known.lease and not known.resting:
            known.resting = True
            task = asyncio.ensure_future(self._rest(user_id, known))
            self._resting.add(task)
            task.add_done_callback(self._resting.discard)

    def is_waiting(self, user_id: str, hold_id: str) -> bool:
        return hold_id in self._of(user_id).waiting

    async def set_budget(self, user_id: str, micro: int | None) -> None:
        """What an administrator says of the user's month; None: what the plan or the settings say. Holds on other instances within
        a minute for who had no limit, and for who draws on a lease when that can be drawn on no more: after four minutes at most."""
        await self._submit(user_id, SetBudget(micro))

    async def read(self, user_id: str) -> Account:
        """The account as it is stored. One storage call."""
        return to_account(await self._tables.get(TABLE, user_id, ACCOUNT_KEY))

    async def budget_of(self, user_id: str, account: Account) -> int | None:
        """The budget that holds for the user: the administrator's, the plan's, the default; None: no limit."""
        if account.budget is not None:
            return account.budget
        plan = await self._plans.budget_of(user_id) if self._plans is not None else None
        return self._default if plan is None else plan

    async def drained(self) -> None:
        """Wait for what goes on behind requests."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- without storage ------------------------------------------------------------------------------------------------

    def _of(self, user_id: str) -> Known:
        known = self._known.setdefault(user_id, Known())
        self._known.move_to_end(user_id)
        if len(self._known) > REMEMBERED:
            oldest, other = next(iter(self._known.items()))
            if other.idle:
                del self._known[oldest]
            else:
                self._known.move_to_end(oldest)
        return known

    def _look_ahead(self, user_id: str, known: Known) -> None:
        """Behind the request: renew a slice that runs short, and look again at what may have changed."""
        now = self._clock.now()
        look = not known.budgets(self._default) and now - known.seen_at > REFRESHED
        if known.touching or not (look or known.runs_short(now, self._default)):
            return
        known.touching = True
        task = asyncio.ensure_future(self._touch(user_id, known, Touch(look)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _touch(self, user_id: str, known: Known, order: Touch) -> None:
        try:
            await self._submit(user_id, order)
        except Exception as error:  # the next request asks itself
            log.debug("ai_lease_not_renewed", error=type(error).__name__)
        finally:
            known.touching = False

    async def _rest(self, user_id: str, known: Known) -> None:
        """What is left over when this does not come about expires with its lease."""
        try:
            admitted = -1
            while admitted != known.admitted or known.held or known.waiting:
                admitted = known.admitted
                await asyncio.sleep(self._idle)
            await self._submit(user_id, Rest())
        except Exception as error:
            log.debug("ai_lease_not_given_back", error=type(error).__name__)
        finally:
            known.resting = False

    # --- with storage ---------------------------------------------------------------------------------------------------

    async def _submit(self, user_id: str, order: Order) -> None:
        known = self._of(user_id)
        known.busy += 1  # it is not forgotten meanwhile
        try:
            await self._writers.submit(user_id, order)
        finally:
            known.busy -= 1

    async def _commit(self, user_id: str, orders: Sequence[Order]) -> Sequence[None | BaseException]:
        known = self._of(user_id)
        asks = [order for order in orders if isinstance(order, Ask)]
        look = any(isinstance(order, Touch) and order.look for order in orders)
        for ask in asks:
            known.note(ask)
        # What is written needs no look first: a write on top of an old row does not arrive. But where others write too, it costs one.
        alone = bool(known.budgets(self._default)) and not known.shared_with_others(self._me, self._clock.now())
        if look or (not alone and self._clock.now() - known.seen_at > STALE):
            known.account = None
        for attempt in range(TRIES):
            afresh = known.account is None or bool(known.doubts)
            if afresh:
                known.loaded(await self._tables.get(TABLE, user_id, ACCOUNT_KEY), self._me, self._clock.now())
            await self._ask_plan(user_id, known, afresh=look)
            settled = list(known.waiting.values())
            reckoned = self._reckon(known, asks, settled, orders)
            if not afresh and any(isinstance(verdict, Refused) for verdict in reckoned.verdicts):
                # A refusal goes by what is stored, and by what the plan says now.
                known.account = None
                await self._ask_plan(user_id, known, afresh=True)
                continue
            if not self._worth_writing(known, reckoned, orders) or await self._write(user_id, known, reckoned, settled):
                return self._results(known, orders, reckoned)
            await asyncio.sleep(random.uniform(0, 0.005 * 2 ** min(attempt, 5)))  # another instance: give way
        raise Busy("This account's budget is being written by too many at once.")

    async def _ask_plan(self, user_id: str, known: Known, *, afresh: bool) -> None:
        """The plan's budget, where it counts: before a first byte only for an account that has never been asked about."""
        if self._plans is None or (known.account is not None and known.account.budget is not None):
            return
        now = self._clock.now()
        if known.plan is None or afresh or (known.waiting and now - known.plan[1] > STALE):
            known.plan = await self._plans.budget_of(user_id), now

    def _reckon(self, known: Known, asks: Sequence[Ask], settled: Sequence[Settlement], orders: Sequence[Order]) -> Reckoned:
        account, now = known.account, self._clock.now()
        assert account is not None
        for order in orders:
            if isinstance(order, SetBudget):
                account = replace(account, budget=order.micro)
        if known.plan is not None:
            account = replace(account, plan=known.plan[0], plan_at=milliseconds(known.plan[1]))
        known.lapse(now)
        return reckoning.reckon(
            account,
            self._me,
            known.serial + 1,
            now,
            budgets=known.budgets(self._default, account),
            held=known.held,
            settlements=settled,
            asks=asks,
            # A budget that is set is no request: nothing is leased for it.
            largest=0 if all(isinstance(order, SetBudget | Rest) for order in orders) else known.largest,
        )

    @staticmethod
    def _worth_writing(known: Known, reckoned: Reckoned, orders: Sequence[Order]) -> bool:
        if known.waiting or any(isinstance(order, SetBudget) for order in orders):
            return True
        limited = any(isinstance(verdict, Granted) and verdict.amounts for verdict in reckoned.verdicts)
        renews = any(isinstance(order, Touch) and not order.look for order in orders)
        renews = renews or any(isinstance(order, Rest) for order in orders)
        return limited or (renews and bool(reckoned.lease or known.lease))

    async def _write(self, user_id: str, known: Known, reckoned: Reckoned, settled: Sequence[Settlement]) -> bool:
        """False when it was not to be: another has written, or our own first try has arrived unheard."""
        known.expect(reckoned, settled)
        values = account_values(reckoned.account)
        operations: list[Operation] = [Replace(ACCOUNT_KEY, values, known.etag) if known.etag else Insert(ACCOUNT_KEY, values)]
        operations += [Upsert(DAY_PREFIX + day, day_values(models)) for day, models in reckoned.flushed.items()]
        try:
            if len(operations) == 1:
                etag = await self._tables.apply(TABLE, user_id, operations[0])
            else:
                etag = (await self._tables.batch(TABLE, user_id, operations))[0]
        except (AlreadyExists, EtagMismatch, Missing):
            known.failed()
            return False
        except BaseException:
            known.failed()
            raise
        known.written(reckoned, settled, etag, self._me, self._clock.now())
        if settled and self._changes is not None:
            self._changes.note(user_id, {settlement.month for settlement in settled})
        return True

    def _results(self, known: Known, orders: Sequence[Order], reckoned: Reckoned) -> list[None | BaseException]:
        verdicts = iter(reckoned.verdicts)
        results: list[None | BaseException] = []
        for order in orders:
            verdict = next(verdicts) if isinstance(order, Ask) else None
            if isinstance(order, Ask) and isinstance(verdict, Granted):
                known.admit(order.id, verdict.amounts, reckoned.account.month, self._clock.now())
            results.append(self._refusal(verdict) if isinstance(verdict, Refused) else None)
        return results

    def _refusal(self, refused: Refused) -> BaseException:
        if refused.unpriced:
            message = "This model has no price, so that no budget can be held to it."
            return InvalidInput(message, loc=("body", "model"), code="model_without_price")
        now = self._clock.now()
        resets = next_month(now)
        whose = "your budget" if refused.purse == USER else "this API key's budget"
        return BudgetExceeded(
            f"This request could cost more than the {usd_text(refused.left)} US dollars that are left of {whose} "
            f"for this month. It begins anew at {resets:%Y-%m-%dT%H:%M:%SZ}.",
            retry_after=max(1, int((resets - now).total_seconds())),
        )
