"""Blob triggers: a container is listed again and again, and each new or changed blob is handled once."""

import asyncio
import base64
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import aiohttp
from azure.storage.blob import ContainerSasPermissions, generate_container_sas
from azure.storage.blob.aio import ContainerClient
from yarl import URL

from .. import log
from ..settings import HostConfig
from ..worker import Function, ModelBindingData, TriggerData
from .queue import queue_service, send_creating
from .receipts import Receipt, Receipts
from .run import API_VERSION, Runner, repeat, start

POISON_QUEUE = "webjobs-blobtrigger-poison"
_PAUSE = 0.15  # seconds between lists: a new blob is seen within 0.3 s
_PARAMETER = re.compile(r"\\\{\w+\\\}")


class WatchedFunction:
    """A function and the names it wants: `{name}` stands for any text, slashes included."""

    def __init__(self, function: Function, pattern: str) -> None:
        self.function = function
        self._pattern = re.compile(_PARAMETER.sub(".+", re.escape(pattern)) if pattern else ".+", re.DOTALL)

    def wants(self, blob: str) -> bool:
        return self._pattern.fullmatch(blob) is not None


@dataclass(frozen=True)
class ListedBlob:
    name: str
    etag: str
    kind: str


class BlobPoller:
    """Watches one container for all functions that are bound to it. The container need not exist yet."""

    def __init__(
        self, watched: Sequence[WatchedFunction], runner: Runner, config: HostConfig, receipts: Receipts, connection: str, container: str
    ) -> None:
        self._watched = watched
        self._runner = runner
        self._config = config
        self._receipts = receipts
        self._connection = connection
        self._container = container
        self._known = {watch.function.name: receipts.load(watch.function.name, container) for watch in watched}
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def forever(self) -> None:
        client = ContainerClient.from_connection_string(self._connection, self._container, api_version=API_VERSION)
        async with client, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
            names = ", ".join(watch.function.name for watch in self._watched)
            try:
                await repeat(f"{names} (container {self._container})", lambda: self._poll(client, session))
            finally:
                running = list(self._running.values())
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)

    async def _poll(self, client: ContainerClient, session: aiohttp.ClientSession) -> float:
        started = time.perf_counter()
        listed = await list_container(client, session)
        # A large container takes long to list: then list it less often, rather than keep storage busy with nothing else.
        pause = max(_PAUSE, time.perf_counter() - started)
        for watch in self._watched:
            wanted = [blob for blob in listed if watch.wants(blob.name)]
            self._forget_deleted(watch.function.name, {blob.name for blob in wanted})
            for blob in wanted:
                await self._consider(watch.function, blob)
        return pause

    def _forget_deleted(self, function: str, present: set[str]) -> None:
        known = self._known[function]
        gone = [name for name in known if name not in present and (function, name) not in self._running]
        if gone:
            self._receipts.forget(function, self._container, gone)
            for name in gone:
                del known[name]

    async def _consider(self, function: Function, blob: ListedBlob) -> None:
        receipt = self._known[function.name].get(blob.name)
        key = (function.name, blob.name)
        if key in self._running or (receipt is not None and receipt.etag == blob.etag and receipt.done):
            return
        while len(self._running) >= self._config.blob_parallel:
            await asyncio.wait(self._running.values(), return_when=asyncio.FIRST_COMPLETED)
        tries = receipt.tries + 1 if receipt is not None and receipt.etag == blob.etag else 1
        task = start(function.name, self._handle(function, blob, tries))
        self._running[key] = task
        task.add_done_callback(lambda _: self._running.pop(key, None))

    async def _handle(self, function: Function, blob: ListedBlob, tries: int) -> None:
        data = blob_data(function, self._container, blob.name)
        # Written before the run: a blob that kills the host must not kill it for ever.
        self._write(function, blob, tries, done=False)
        succeeded = await self._runner.fire(function, data, f"{self._container}/{blob.name} try {tries}")
        if not succeeded and tries >= self._config.blob_tries:
            async with queue_service(self._connection) as service:
                await send_creating(service.get_queue_client(POISON_QUEUE), self._poison(function, blob))
            log.line(f"BLOB   {function.name}  {self._container}/{blob.name} told to {POISON_QUEUE} after {tries} tries")
        self._write(function, blob, tries, done=succeeded or tries >= self._config.blob_tries)

    def _write(self, function: Function, blob: ListedBlob, tries: int, done: bool) -> None:
        receipt = Receipt(blob.etag, tries, done)
        self._known[function.name][blob.name] = receipt
        self._receipts.write(function.name, self._container, blob.name, receipt)

    def _poison(self, function: Function, blob: ListedBlob) -> str:
        text = poison_message(function, self._container, blob)
        return text if self._config.plain_queue_messages else base64.b64encode(text.encode()).decode()


async def list_container(client: ContainerClient, session: aiohttp.ClientSession) -> list[ListedBlob]:
    """All blobs of a container; none when it does not exist.

    Not by the SDK's `list_blobs`: it takes 0.45 ms for each blob (measured), which would stop the event loop for half a
    second at 1,000 blobs, at every poll. The signature is the SDK's, the answer is read here.
    """
    base_url = _signed(client) + "&restype=container&comp=list"
    blobs: list[ListedBlob] = []
    marker = ""
    while True:
        url = URL(base_url + ("&" + urlencode({"marker": marker}) if marker else ""), encoded=True)
        async with session.get(url, headers={"x-ms-version": API_VERSION}) as answer:
            if answer.status == 404:
                return []
            answer.raise_for_status()
            root = ElementTree.fromstring(await answer.read())  # noqa: S314  # our own storage's answer
        for item in root.iterfind("Blobs/Blob"):
            etag = item.findtext("Properties/Etag", "").strip('"')
            blobs.append(ListedBlob(item.findtext("Name", ""), etag, item.findtext("Properties/BlobType", "BlockBlob")))
        marker = root.findtext("NextMarker") or ""
        if not marker:
            return blobs


def _signed(client: ContainerClient) -> str:
    """The container's address with a signature that allows listing it."""
    key = getattr(client.credential, "account_key", None)
    if key is None:
        return client.url  # made from a connection string with a shared access signature: the address has it
    signature = generate_container_sas(
        str(client.account_name),
        client.container_name,
        account_key=key,
        permission=ContainerSasPermissions(list=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    return f"{client.url}?{signature}"


def blob_data(function: Function, container: str, name: str) -> TriggerData:
    """What the host sends of a blob to a function with an SDK type: where it is."""
    reference = {"Connection": function.trigger.get("connection") or "AzureWebJobsStorage", "ContainerName": container, "BlobName": name}
    return TriggerData("model_binding_data", ModelBindingData(json.dumps(reference).encode()))


def poison_message(function: Function, container: str, blob: ListedBlob) -> str:
    """The message of a blob that failed for good, as the host writes it (Azure Blob storage trigger, section Poison blobs)."""
    fields: dict[str, Any] = {
        "Type": "BlobTrigger",
        "FunctionId": f"Host.Functions.{function.name}",
        "BlobType": blob.kind,
        "ContainerName": container,
        "BlobName": blob.name,
        "ETag": f'"{blob.etag}"',
    }
    return json.dumps(fields)
