"""Meters on one storage: several are several instances of the app."""

from dataclasses import replace
from datetime import UTC, datetime

from shared_code.ai.key_limits import KeyRates
from shared_code.ai.ledger import Ledger
from shared_code.ai.meter import BudgetMeter
from shared_code.ai.models import KeyLimits, Model, Price, Spender, Usage
from shared_code.ai.ports import PlanBudgets, UsageNotes
from shared_code.ai.spending import ACCOUNT_KEY, TABLE, USER, Account, milliseconds, month_of, to_account
from shared_code.clock import Clock
from shared_code.quick_limit import QuickLimiter
from shared_code.storage.ports import Tables

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
PRICE = Price(1_000_000, 500_000, 2_000_000)
"""A micro-dollar a token read, half of one for a cached one, two for one written."""
MODEL = Model("gpt-test", "openai", "gpt-test", "http://upstream.test/v1", price=PRICE)
UNPRICED = replace(MODEL, name="free", price=None)


def meter(
    tables: Tables,
    clock: Clock,
    *,
    default: int | None = None,
    plans: PlanBudgets | None = None,
    changes: UsageNotes | None = None,
    idle: float = 3600.0,
) -> BudgetMeter:
    ledger = Ledger(tables, clock, default=default, plans=plans, changes=changes, idle=idle)
    return BudgetMeter(ledger, KeyRates(QuickLimiter(tables, clock)), clock, pause=0.001)


def spender(user_id: str = "ada", key_id: str | None = None, **limits: int | tuple[str, ...] | None) -> Spender:
    return Spender(user_id, key_id, KeyLimits(**limits) if limits else None)  # type: ignore[arg-type]  # as the test says


def tokens(micro: int) -> Usage:
    """What costs so much of MODEL."""
    return Usage(micro, 0, 0)


async def stored(tables: Tables, user_id: str = "ada") -> Account:
    return to_account(await tables.get(TABLE, user_id, ACCOUNT_KEY))


async def standing(tables: Tables, clock: Clock, user_id: str = "ada", purse: str = USER) -> tuple[int, int]:
    """Spent and held, as anybody reads it."""
    account, now = await stored(tables, user_id), clock.now()
    month = month_of(now)
    return account.spent_in(purse, month), account.held(purse, milliseconds(now), month)
