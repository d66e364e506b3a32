"""Money on real storage, with two instances of the app beside each other and one Stripe."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import pytest_asyncio

from local.stripe.server import StripeServer
from shared_code.clock import ManualClock
from shared_code.container import Container
from shared_code.errors import InvalidInput
from shared_code.payments.gateway import StripeGateway
from shared_code.payments.money import Money
from shared_code.payments.ports import Actor
from tests.azurite import AzuriteHandle
from tests.contract.conftest import outcomes
from tests.unit.apps import settings_of
from tests.unit.payments.shop import KEY, Wire

ADMIN = Actor("admin", admin=True)


@dataclass(frozen=True)
class Two:
    first: Container
    second: Container
    wire: Wire

    def turns(self, count: int) -> list[Container]:
        return [self.second if number % 2 else self.first for number in range(count)]


@pytest_asyncio.fixture
async def two(azurite: AzuriteHandle) -> AsyncIterator[Two]:
    clock = ManualClock()
    settings = settings_of(AZURE_STORAGE_CONNECTION_STRING=azurite.connection_string, STRIPE_SECRET_KEY=KEY)
    server = StripeServer(clock=lambda: clock.now().timestamp())
    wire = Wire(server)
    found = Two(Container(settings, clock=clock), Container(settings, clock=clock), wire)
    for app in (found.first, found.second):
        app.__dict__["payments_gateway"] = StripeGateway(KEY, "http://stripe.test", transport=wire)
    yield found
    for app in (found.first, found.second):
        await app.payments_gateway.aclose()
        await app.storage.aclose()
    await server.stop()


async def paid(app: Container, actor: Actor, minor: int) -> str:
    payment = await app.payments.create(
        actor, Money(minor, "usd"), customer_id=None, description=None, receipt_email=None, metadata={}, key=uuid4().hex
    )
    back = "https://shop.example/"
    await app.payments.confirm(actor, payment.id, payment_method="pm_card_visa", return_url=back, key=uuid4().hex)
    return payment.id


async def test_refunds_asked_for_at_once_stay_within_the_payment(two: Two) -> None:
    ada = Actor(uuid4().hex)
    payment = await paid(two.first, ada, 5000)
    found = await outcomes(
        *(app.payments_refunds.create(ADMIN, payment, amount="12.00", reason=None, request=uuid4().hex) for app in two.turns(10))
    )
    refused = [each for each in found if isinstance(each, InvalidInput)]
    assert (len(found) - len(refused), {each.code for each in refused}) == (4, {"refund_exceeds_payment"})
    record = await two.second.payments.get(ada, payment)
    assert (record.number("amount_refunded"), record.text("reserved")) == (4800, "")
    totals = await two.first.payments_mirror.totals(record.customer_id)
    assert {name: pair for name, pair in totals.sums.items() if pair != (0, 0)} == {
        "pi usd succeeded": (1, 5000),
        "re usd succeeded": (4, 4800),
    }


async def test_first_payments_made_at_once_have_one_customer(two: Two) -> None:
    ada = Actor(uuid4().hex)
    made = await asyncio.gather(*(paid(app, ada, 100 + number) for number, app in enumerate(two.turns(8))))
    records = await two.second.payments.history(ada, customer_id=None, since=None, until=None, status=None, after=None, limit=20)
    assert {record.id for record in records} == set(made)
    assert len({record.customer_id for record in records}) == 1
    totals = await two.second.payments_mirror.totals(records[0].customer_id)
    assert totals.sums["pi usd succeeded"] == (8, sum(range(100, 108)))
