"""Sending one message from its event, once, however often the event comes.

Nobody can know whether a message left when the process that sent it died before it wrote that down: then it is sent again.
A mail twice is better than no mail.
"""

import json
import random

import structlog

from shared_code import emails
from shared_code.storage.events import Events, queue_of
from shared_code.storage.ports import Queues

from .orders import ATTEMPTS, Order
from .outbox import Outbox
from .ports import Message, PermanentFailure, Provider, TemporaryFailure
from .records import BeingSent, Claim, Records
from .rendering import render
from .suppressions import Suppressions
from .wording import person

log = structlog.get_logger("lydian.mail")

POISON = f"{queue_of('mail')}-poison"
"""Where the host, too, puts what fails for good. Moved back to the queue as it is, a message is tried anew."""
FIRST_DELAY, GROWTH, LONGEST_DELAY = 30, 3, 6 * 3600
"""Seconds: with ATTEMPTS, tries over some nine hours."""
MAX_WAITS = 3


class Delivery:
    def __init__(
        self,
        *,
        records: Records,
        suppressions: Suppressions,
        events: Events,
        queues: Queues,
        provider: Provider | None,
        outbox: Outbox | None,
        product: str,
    ) -> None:
        """Neither ``provider`` nor ``outbox``: mail is not configured."""
        self._records, self._suppressions, self._events, self._queues = records, suppressions, events, queues
        self._provider, self._outbox, self._product = provider, outbox, product

    async def deliver(self, order: Order) -> None:
        """Safe to repeat, and to run twice at one time."""
        try:
            claim = await self._records.claim(order)
        except BeingSent as other:
            await self._wait(order, other.seconds)
            return
        if claim is not None:
            await self._carry_out(order, claim)

    async def _carry_out(self, order: Order, claim: Claim) -> None:
        message = self._message(order)
        if isinstance(message, str):
            await self._fail(order, claim, message)
        elif reason := await self._suppressions.reason(order.to):
            log.info("mail_suppressed", message_id=order.message_id, template=order.template, reason=reason)
            await self._records.finish(order, claim, "suppressed", error=reason)
        elif self._outbox is not None:
            await self._outbox.put(message, order.template, order.id)
            await self._records.finish(order, claim, "outbox")
        elif self._provider is None:
            await self._fail(order, claim, "mail_not_configured")
        else:
            await self._send(order, claim, message, self._provider)

    async def _send(self, order: Order, claim: Claim, message: Message, provider: Provider) -> None:
        try:
            provider_id = await provider.send(message)
        except TemporaryFailure as failure:
            await self._retry(order, claim, failure)
        except PermanentFailure as failure:
            await self._fail(order, claim, failure.code, replayable=failure.ours)
        else:
            log.info("mail_sent", message_id=order.message_id, template=order.template, provider_id=provider_id)
            await self._records.finish(order, claim, "sent", provider_id=provider_id)

    async def _retry(self, order: Order, claim: Claim, failure: TemporaryFailure) -> None:
        if order.tries >= ATTEMPTS:
            await self._fail(order, claim, failure.code, replayable=True)
            return
        delay = delay_before(order.tries + 1, failure.retry_after)
        log.warning("mail_delayed", message_id=order.message_id, template=order.template, error=failure.code, seconds=delay)
        # First the event: a row that waits for one that was never sent would wait for ever.
        await self._events.send("mail", order.next().event(), delay=delay)
        await self._records.finish(order.next(), claim, "waiting", error=failure.code)

    async def _fail(self, order: Order, claim: Claim, error: str, *, replayable: bool = False) -> None:
        log.error("mail_failed", message_id=order.message_id, template=order.template, error=error, tries=order.tries, poison=replayable)
        if replayable:
            await self._queues.send(POISON, json.dumps(order.again().event()))
        await self._records.finish(order, claim, "failed", error=error)

    async def _wait(self, order: Order, seconds: int) -> None:
        """Another has it. Should he die, this event is what is left of the message: it looks again when he must have finished."""
        if order.waits >= MAX_WAITS:
            log.error("mail_abandoned", message_id=order.message_id, template=order.template)
            return
        await self._events.send("mail", order.waited().event(), delay=seconds)

    def _message(self, order: Order) -> Message | str:
        """The message, or why it is none."""
        if not emails.is_address(order.to):
            return "invalid_address"
        try:
            rendered = render(order.template, order.values, name=order.name, product=self._product)
        except ValueError:
            return "invalid_message"
        return Message(order.message_id, order.to.strip(), person(order.name), rendered.subject, rendered.text, rendered.html)


def delay_before(tries: int, retry_after: float) -> int:
    """Seconds to wait before try number ``tries`` (2 is the first repetition); what the provider asks for counts when it is longer."""
    backoff = FIRST_DELAY * GROWTH ** (tries - 2) * random.uniform(0.8, 1.2)
    return int(min(max(backoff, retry_after + random.uniform(0, 5)), LONGEST_DELAY))
