"""What payments holds of a user, for the archive that they may ask for: from the mirror, so that Stripe need not answer."""

from collections.abc import AsyncGenerator
from typing import Any

from shared_code.archive import Entry, json_document
from shared_code.clock import Clock
from shared_code.storage.ports import Row, Tables

from .customers import CUSTOMER_KEY, TABLE
from .event_targets import Kind
from .objects import MIRROR, PREFIXES, to_record
from .responses import customer_response, invoice_fields, payment_response, refund_fields, subscription_fields

PAGE = 500


class PaymentsExport:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables, self._clock = tables, clock

    async def entries(self, user_id: str) -> AsyncGenerator[Entry, None]:
        """``payments.json``; nothing for who has never been near a payment."""
        row = await self._tables.get(TABLE, user_id, CUSTOMER_KEY)
        if row is None:
            return
        customer_id = str(row.values["customer_id"])
        found = await self._tables.get(MIRROR, customer_id, "customer")
        customer = customer_response(to_record("customer", found)).model_dump() if found else {"id": customer_id}
        document = json_document(
            customer=customer,
            payments=self._all("payment_intent", customer_id),
            subscriptions=self._all("subscription", customer_id),
            invoices=self._all("invoice", customer_id),
            refunds=self._all("refund", customer_id),
        )
        yield Entry("payments.json", document, self._clock.now())

    async def _all(self, kind: Kind, customer_id: str) -> AsyncGenerator[dict[str, Any], None]:
        after = None
        while rows := await self._tables.query(MIRROR, customer_id, prefix=f"{PREFIXES[kind]}:", after=after, limit=PAGE):
            after = rows[-1].key
            for row in rows:
                yield _fields(kind, row)


def _fields(kind: Kind, row: Row) -> dict[str, Any]:
    record = to_record(kind, row)
    match kind:
        case "payment_intent":
            return payment_response(record, secret=False)
        case "subscription":
            return subscription_fields(record)
        case "invoice":
            return invoice_fields(record)
        case _:
            return refund_fields(record)
