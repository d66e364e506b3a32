"""What a user's plan entitles them to: the subscription's state, and the limits that PLANS ties to its price.

Other services read it through a Protocol of their own. It comes from the mirror, never from Stripe, and is remembered for a
minute: a plan that was just bought or ended counts everywhere within that time.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from shared_code.clock import Clock
from shared_code.storage.ports import Tables

from .objects import MIRROR, PREFIXES, to_record

REMEMBERED_FOR = timedelta(minutes=1)
REMEMBERED = 10_000
ENTITLING = ("active", "trialing", "past_due")
"""Best first. ``past_due`` still serves: Stripe tries the card again for some days before it cancels."""
LOOKED_AT = 50
"""The newest subscriptions of a customer that are looked at."""

CustomerOf = Callable[[str], Awaitable[str | None]]
"""A user's Stripe customer id."""


@dataclass(frozen=True, slots=True)
class Entitlement:
    """``status`` is Stripe's; ``limits`` what PLANS says of the price, empty for a price that it does not name."""

    price_id: str
    status: str
    limits: Mapping[str, int | Decimal]


class Entitlements:
    def __init__(self, *, tables: Tables, clock: Clock, customer_of: CustomerOf, plans: Mapping[str, Mapping[str, int | Decimal]]) -> None:
        self._tables, self._clock, self._customer_of, self._plans = tables, clock, customer_of, plans
        self._known: OrderedDict[str, tuple[Entitlement | None, datetime]] = OrderedDict()

    async def of(self, user_id: str) -> Entitlement | None:
        """The user's best running subscription; None without one. Two storage calls, or none for a minute after them."""
        known = self._known.get(user_id)
        if known is not None and known[1] > self._clock.now():
            return known[0]
        found = await self._look(user_id)
        self._known[user_id] = (found, self._clock.now() + REMEMBERED_FOR)
        self._known.move_to_end(user_id)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found

    async def _look(self, user_id: str) -> Entitlement | None:
        customer_id = await self._customer_of(user_id)
        if customer_id is None:
            return None
        rows = await self._tables.query(MIRROR, customer_id, prefix=f"{PREFIXES['subscription']}:", limit=LOOKED_AT)
        running = [record for row in rows if (record := to_record("subscription", row)).status in ENTITLING]
        if not running:
            return None
        # One that PLANS names before one that it does not, then the better state, then the newest.
        best = min(running, key=lambda record: (record.text("price_id") not in self._plans, ENTITLING.index(record.status)))
        price_id = best.text("price_id")
        return Entitlement(price_id, best.status, self._plans.get(price_id, {}))
