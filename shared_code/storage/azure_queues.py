"""Queues on Azure Queue storage (or Azurite). Messages are plain text, as ``messageEncoding: none`` in host.json has it."""

from azure.core.exceptions import HttpResponseError
from azure.storage.queue import QueueMessage

from . import limits
from .azure_clients import GetClients
from .azure_errors import Translating, code_of, creating
from .ports import Message

_guard = Translating("queue")
_NO_LONGER_OURS = frozenset({"MessageNotFound", "PopReceiptMismatch", "QueueNotFound"})
_FOR_EVER = -1
"""Messages do not expire: the service's default of 7 days would lose work, and forbids a delay of as long."""


class AzureQueues:
    def __init__(self, clients: GetClients) -> None:
        self._clients = clients

    async def send(self, queue: str, text: str, *, delay: int = 0) -> None:
        limits.container_name(queue)
        limits.message(text, delay)
        client = self._clients().queue(queue)
        with _guard:
            await creating(
                lambda: client.send_message(text, visibility_timeout=delay, time_to_live=_FOR_EVER),
                client.create_queue,
            )

    async def receive(self, queue: str, *, limit: int = 1, visibility: int = 30) -> list[Message]:
        limits.container_name(queue)
        limits.page(limit, 32)
        limits.visibility(visibility)
        pages = self._clients().queue(queue).receive_messages(messages_per_page=limit, visibility_timeout=visibility).by_page()
        with _guard:
            try:
                async for page in pages:
                    return [_message(item) async for item in page]
            except HttpResponseError as error:
                if error.status_code != 404:
                    raise
        return []

    async def delete(self, queue: str, message: Message) -> None:
        limits.container_name(queue)
        with _guard:
            try:
                await self._clients().queue(queue).delete_message(message.id, message.receipt)
            except HttpResponseError as error:
                if code_of(error) not in _NO_LONGER_OURS:
                    raise

    async def peek(self, queue: str, *, limit: int = 32) -> list[Message]:
        limits.container_name(queue)
        limits.page(limit, 32)
        with _guard:
            try:
                return [_message(item) for item in await self._clients().queue(queue).peek_messages(max_messages=limit)]
            except HttpResponseError as error:
                if error.status_code != 404:
                    raise
        return []

    async def count(self, queue: str) -> int:
        limits.container_name(queue)
        with _guard:
            try:
                properties = await self._clients().queue(queue).get_queue_properties()
            except HttpResponseError as error:
                if error.status_code != 404:
                    raise
                return 0
        return properties.approximate_message_count or 0

    async def check(self) -> None:
        with _guard:
            async for _ in self._clients().queue_service.list_queues(results_per_page=1).by_page():
                break


def _message(item: QueueMessage) -> Message:
    inserted = item.inserted_on
    assert inserted is not None, "the service dates every message"
    return Message(item.id, item.content or "", item.pop_receipt or "", item.dequeue_count or 0, inserted)
