"""Queue triggers: batches in parallel, five tries by the message's own dequeue count, then `<queue>-poison`."""

import asyncio
import base64
import contextlib
import json
import uuid
from datetime import UTC, datetime, timedelta

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from .. import log
from ..settings import HostConfig
from ..worker import Function, TriggerData
from .run import API_VERSION, Runner, repeat, start

_PAUSE = 0.2  # seconds between polls of an empty queue; the real host waits up to a minute
_LEASE = 60  # seconds that a message stays hidden; renewed at half time, so that a killed host's come back soon


class QueuePoller:
    def __init__(self, function: Function, runner: Runner, config: HostConfig, connection: str, queue: str) -> None:
        self._function = function
        self._runner = runner
        self._config = config
        self._connection = connection
        self._name = queue
        self._running: set[asyncio.Task[None]] = set()

    async def forever(self) -> None:
        async with queue_service(self._connection) as service:
            queue = service.get_queue_client(self._name)
            poison = service.get_queue_client(f"{self._name}-poison")
            try:
                await repeat(f"{self._function.name} (queue {self._name})", lambda: self._poll(queue, poison))
            finally:
                for task in self._running:
                    task.cancel()
                await asyncio.gather(*self._running, return_exceptions=True)

    async def _poll(self, queue: QueueClient, poison: QueueClient) -> float:
        free = self._config.queue_batch - len(self._running)
        if free <= self._config.queue_batch // 2:  # the host's newBatchThreshold: half of the batch is done first
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            return 0
        taken = 0
        try:
            async for message in queue.receive_messages(messages_per_page=free, max_messages=free, visibility_timeout=_LEASE):
                task = start(self._function.name, self._handle(queue, poison, message))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
                taken += 1
        except ResourceNotFoundError:
            return _PAUSE  # nobody has made the queue yet
        return 0 if taken else _PAUSE

    async def _handle(self, queue: QueueClient, poison: QueueClient, message: QueueMessage) -> None:
        renewing = asyncio.create_task(_renew(queue, message))
        try:
            tries = message.dequeue_count or 1
            # More than the last try: the host died in it, and the message came back.
            succeeded = tries <= self._config.queue_tries and await self._invoke(message, tries)
        finally:
            renewing.cancel()
            await asyncio.wait({renewing})
        with contextlib.suppress(ResourceNotFoundError):  # deleted by someone else, or the queue is gone
            if succeeded:
                await queue.delete_message(message)
            elif tries >= self._config.queue_tries:
                await send_creating(poison, message.content)
                await queue.delete_message(message)
                log.line(f"QUEUE  {self._function.name}  message {message.id} moved to {poison.queue_name} after {tries} tries")
            else:
                await queue.update_message(message, visibility_timeout=int(self._config.queue_retry_delay))

    async def _invoke(self, message: QueueMessage, tries: int) -> bool:
        try:
            body = message.content if self._config.plain_queue_messages else base64.b64decode(message.content, validate=True).decode()
        except ValueError:
            log.line(f"QUEUE  {self._function.name}  message {message.id} is not base64: see messageEncoding in host.json")
            return False
        data = queue_data(
            body,
            message.id,
            tries,
            message.inserted_on,
            message.expires_on,
            message.next_visible_on,
            message.pop_receipt,
        )
        return await self._runner.fire(self._function, data, f"message {message.id} try {tries}")


async def _renew(queue: QueueClient, message: QueueMessage) -> None:
    """Keep a message hidden while its function runs. The receipt that deletes it changes with each renewal."""
    while True:
        await asyncio.sleep(_LEASE / 2)
        with contextlib.suppress(HttpResponseError):
            # Shielded: cut in the middle, storage would know a receipt that we do not.
            renewed = await asyncio.shield(queue.update_message(message, visibility_timeout=_LEASE))
            message.pop_receipt = renewed.pop_receipt


def queue_service(connection: str) -> QueueServiceClient:
    # No retries of the client's own: the poll is repeated anyway.
    return QueueServiceClient.from_connection_string(connection, api_version=API_VERSION, retry_total=0)


async def send_creating(queue: QueueClient, content: str) -> None:
    """Send a message, making the queue when it does not exist."""
    try:
        await queue.send_message(content)
    except ResourceNotFoundError:
        with contextlib.suppress(HttpResponseError):  # another one was faster
            await queue.create_queue()
        await queue.send_message(content)


def queue_data(
    body: str,
    identity: str | None = None,
    tries: int = 1,
    inserted: datetime | None = None,
    expires: datetime | None = None,
    visible: datetime | None = None,
    receipt: str | None = None,
) -> TriggerData:
    """What the host sends of a queue message (`func.QueueMessage`); defaults are those of a message made by hand."""
    now = datetime.now(UTC)
    metadata = {
        "Id": identity or str(uuid.uuid4()),
        "DequeueCount": tries,
        "InsertionTime": _stamp(inserted or now),
        "ExpirationTime": _stamp(expires or now + timedelta(days=7)),
        "NextVisibleTime": _stamp(visible or now),
        "PopReceipt": receipt or "",
    }
    return TriggerData("string", body, {name: json.dumps(value) for name, value in metadata.items()})


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
