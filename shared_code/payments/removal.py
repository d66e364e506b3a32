"""What becomes of a deleted user's payments: subscriptions end, saved cards go, and Stripe's customer is nobody any more.

Payments, refunds and invoices stay at Stripe and in the mirror, under the customer's id: books are kept by law.
"""

import secrets

from shared_code.errors import NotFound
from shared_code.storage.ports import Delete, Missing, Tables

from .customers import CUSTOMER_KEY, OWNER_KEY, TABLE, USER, Customers
from .mirror import Mirror
from .ports import Gateway

ENDED = frozenset({"canceled", "incomplete_expired"})
# What Stripe documents as not to be emptied gets a value of nobody's; no mail system has that address (RFC 2606).
ANONYMOUS = {"email": "deleted@account.invalid", "name": "Deleted account", "description": "Deleted account"}
# What is only touched where it was set, in the portal or on the Dashboard. An empty value unsets a field
# (https://docs.stripe.com/api/customers/update).
_IF_SET = {"phone": "0", "address": "", "shipping": "", "business_name": "", "individual_name": ""}


class Removal:
    def __init__(self, *, tables: Tables, customers: Customers, gateway: Gateway, mirror: Mirror) -> None:
        self._tables, self._customers, self._gateway, self._mirror = tables, customers, gateway, mirror

    async def remove(self, user_id: str) -> None:
        """Safe to repeat, and to be cut off anywhere: the rows that lead to the customer go last."""
        customer_id = await self._customers.own(user_id)
        if customer_id is None:
            return
        await self._end_subscriptions(customer_id)
        await self._detach_cards(customer_id)
        await self._anonymise(customer_id)
        for partition, key in ((customer_id, OWNER_KEY), (user_id, CUSTOMER_KEY)):
            try:
                await self._tables.apply(TABLE, partition, Delete(key))
            except Missing:
                pass  # an earlier try came this far

    async def _end_subscriptions(self, customer_id: str) -> None:
        after, more = None, True
        while more:  # as Stripe has them: the mirror may not know the newest yet
            found, more = await self._gateway.list_page("subscription", starting_after=after, limit=100, params={"customer": customer_id})
            for subscription in found:
                after = str(subscription["id"])
                if subscription["status"] not in ENDED:
                    try:
                        await self._gateway.act("subscription", after, "cancel", {}, key=f"lydian-removed-{after}")
                    except NotFound:
                        continue  # it ended meanwhile
                    await self._mirror.sync("subscription", after)

    async def _detach_cards(self, customer_id: str) -> None:
        more = True
        while more:  # what is detached is in the list no more
            cards, more = await self._gateway.list_page("payment_method", starting_after=None, limit=100, params={"customer": customer_id})
            for card in cards:
                await self._gateway.act("payment_method", str(card["id"]), "detach", {}, key=f"lydian-removed-{card['id']}")

    async def _anonymise(self, customer_id: str) -> None:
        found = await self._gateway.retrieve("customer", customer_id)
        if found is None or found.get("deleted"):
            return  # somebody has deleted it at Stripe
        changes = {name: value for name, value in _IF_SET.items() if found.get(name)}
        metadata = dict.fromkeys({*(found.get("metadata") or {}), USER}, "")
        key = f"lydian-removed-{secrets.token_hex(16)}"  # no harm in doing it twice, and what is changed may differ then
        await self._gateway.update("customer", customer_id, {**ANONYMOUS, **changes, "metadata": metadata}, key=key)
        await self._mirror.sync("customer", customer_id)
