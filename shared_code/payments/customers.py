"""Customers: one Stripe customer for a user, and the one place that says whose an object is.

``customers``: partition user id, key ``customer``: the user's Stripe customer and what Stripe is to be told of them; partition
Stripe customer id, key ``owner``: whose it is. The owner is written first: a cut between the two leaves what the next request finds.
"""

import json
import re
import secrets
from collections.abc import Mapping

from shared_code.errors import Busy, InvalidRequest, NotFound
from shared_code.locks import KeyedLocks
from shared_code.storage.ports import AlreadyExists, EtagMismatch, Insert, Merge, Missing, Replace, Row, Tables, Upsert, Value

from .mirror import Mirror
from .objects import Record
from .ports import Actor, Gateway, People

TABLE, CUSTOMER_KEY, OWNER_KEY = "customers", "customer", "owner"
USER = "lydian_user_id"
"""Metadata of a Stripe customer that says whose it is."""

_ID = re.compile(r"cus_[A-Za-z0-9]{1,60}", re.ASCII)


class Customers:
    def __init__(self, *, tables: Tables, gateway: Gateway, mirror: Mirror, people: People) -> None:
        self._tables, self._gateway, self._mirror, self._people = tables, gateway, mirror, people
        self._locks = KeyedLocks()

    async def own(self, user_id: str) -> str | None:
        """The user's Stripe customer, if there is one yet. One storage call."""
        row = await self._tables.get(TABLE, user_id, CUSTOMER_KEY)
        return str(row.values["customer_id"]) if row else None

    async def owns(self, actor: Actor, customer_id: str | None) -> bool:
        """Whether the actor may see and change what belongs to this customer (None: to nobody)."""
        if actor.admin:
            return True
        if customer_id is None:
            return False
        owner = await self._tables.get(TABLE, customer_id, OWNER_KEY)
        return owner is not None and owner.values["user_id"] == actor.user_id

    async def owner_of(self, customer_id: str) -> str | None:
        """The user whose customer it is."""
        owner = await self._tables.get(TABLE, customer_id, OWNER_KEY)
        return str(owner.values["user_id"]) if owner else None

    async def acting(self, actor: Actor, customer_id: str | None) -> str:
        """On whom a request acts: the named customer, or the actor's own, made when first needed. Raises NotFound for another's."""
        return await self.ensure(actor.user_id) if customer_id is None else await self._checked(actor, customer_id)

    async def listing(self, actor: Actor, customer_id: str | None) -> str | None:
        """Whose objects a list shows; None for a user who has no customer yet, and so has none of them."""
        return await self.own(actor.user_id) if customer_id is None else await self._checked(actor, customer_id)

    async def ensure(self, user_id: str) -> str:
        """The user's customer, made with the account's address when there is none."""
        row = await self._tables.get(TABLE, user_id, CUSTOMER_KEY)
        if row is None or _is_unfit(row) or not row.values["told"]:
            contact = await self._people.contact(user_id) if row is None or _is_unfit(row) else None
            row, _ = await self._establish(user_id, contact.email if contact else None, contact.name if contact else None, {})
        return str(row.values["customer_id"])

    async def create(self, user_id: str, *, email: str, name: str | None, metadata: Mapping[str, str]) -> tuple[Record, bool]:
        """The user's customer, and whether this made it: whoever has one gets that, unchanged."""
        row, made = await self._establish(user_id, email, name, metadata)
        return await self._mirrored(str(row.values["customer_id"])), made

    async def forget(self, customer_id: str) -> None:
        """Stripe's customer has been deleted there: the next request makes the user another. What was theirs stays theirs."""
        user_id = await self.owner_of(customer_id)
        row = await self._tables.get(TABLE, user_id, CUSTOMER_KEY) if user_id else None
        if row is not None and row.values["customer_id"] == customer_id:
            try:
                await self._tables.apply(TABLE, row.partition, Merge(CUSTOMER_KEY, {"deleted": True}, row.etag))
            except (EtagMismatch, Missing):
                pass  # another was faster

    async def get(self, actor: Actor, customer_id: str) -> Record:
        return await self._mirrored(await self._checked(actor, customer_id))

    async def update(self, actor: Actor, customer_id: str, changes: Mapping[str, object], *, key: str) -> Record:
        """Change ``email``, ``name`` or ``metadata`` (merged; an empty value removes its key). Raises NotFound."""
        known = await self._mirror.find("customer", await self._checked(actor, customer_id))
        return await self._mirror.take("customer", await self._gateway.update("customer", customer_id, changes, key=key), known)

    async def _checked(self, actor: Actor, customer_id: str) -> str:
        if not _ID.fullmatch(customer_id) or not await self.owns(actor, customer_id):
            raise NotFound("There is no such customer.", code="customer_not_found")
        return customer_id

    async def _mirrored(self, customer_id: str) -> Record:
        found = await self._mirror.find("customer", customer_id) or await self._mirror.refresh("customer", customer_id)
        if found is None:
            raise NotFound("There is no such customer.", code="customer_not_found")
        return found

    async def _establish(self, user_id: str, email: str | None, name: str | None, metadata: Mapping[str, str]) -> tuple[Row, bool]:
        """The user's row, with Stripe told of them, and whether this request made it."""
        async with self._locks.of(user_id):
            row, made = await self._tables.get(TABLE, user_id, CUSTOMER_KEY), False
            if row is None or _is_unfit(row):
                row, made = await self._make(user_id, row, email, name, metadata)
            if not row.values["told"]:
                await self._tell(row)
            return row, made

    async def _make(
        self, user_id: str, previous: Row | None, email: str | None, name: str | None, metadata: Mapping[str, str]
    ) -> tuple[Row, bool]:
        # The same parameters whoever asks: requests that meet get one customer from Stripe, and the row says who told first.
        key = f"lydian-customer-{user_id}" + ("-after-" + str(previous.values["customer_id"]) if previous else "")
        answer = await self._gateway.create("customer", {"metadata": {USER: user_id}}, key=key)
        customer_id = str(answer.object["id"])
        await self._tables.apply(TABLE, customer_id, Upsert(OWNER_KEY, {"v": 1, "user_id": user_id}))
        values: dict[str, Value] = {"v": 1, "customer_id": customer_id, "email": email, "name": name, "told": False}
        values["metadata"] = json.dumps(dict(metadata)).encode()
        operation = Replace(CUSTOMER_KEY, values, previous.etag) if previous else Insert(CUSTOMER_KEY, values)
        try:
            etag = await self._tables.apply(TABLE, user_id, operation)
        except (AlreadyExists, EtagMismatch, Missing):
            first = await self._tables.get(TABLE, user_id, CUSTOMER_KEY)
            if first is None:
                raise Busy("This customer is being changed by another request.") from None
            return first, False
        return Row(user_id, CUSTOMER_KEY, values, etag), True

    async def _tell(self, row: Row) -> None:
        """Say to Stripe what the row holds of the user. Whoever finds that untold says it, so that a cut is made good."""
        customer_id, raw = str(row.values["customer_id"]), row.values.get("metadata")
        metadata: dict[str, str] = json.loads(raw) if isinstance(raw, bytes) else {}
        told = {name: row.values[name] for name in ("email", "name") if row.values.get(name)}
        known = await self._mirror.find("customer", customer_id)
        try:
            params = {**told, "metadata": {**metadata, USER: row.partition}}
            answer = await self._gateway.update("customer", customer_id, params, key=f"lydian-{secrets.token_hex(16)}")
        except InvalidRequest:
            # Stripe takes some of it at no time: a customer without is better than none.
            await self._tables.apply(TABLE, row.partition, Merge(CUSTOMER_KEY, {"told": True}))
            raise
        await self._mirror.take("customer", answer, known)
        await self._tables.apply(TABLE, row.partition, Merge(CUSTOMER_KEY, {"told": True}))


def _is_unfit(row: Row) -> bool:
    return bool(row.values.get("deleted"))
