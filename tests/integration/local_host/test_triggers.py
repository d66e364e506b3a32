"""Queues, blobs and timers against a real Azurite, which the host starts itself."""

import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue import QueueClient, QueueMessage
from azure.storage.queue.aio import QueueServiceClient

from tests.integration.local_host.harness import SAMPLE, WORKERS, RunningHost, Start, wait_for


@pytest.fixture(scope="module", params=WORKERS)
def host(request: pytest.FixtureRequest, start: Start) -> RunningHost:
    return start("--worker", request.param)


@asynccontextmanager
async def storage(host: RunningHost) -> AsyncIterator[tuple[BlobServiceClient, QueueServiceClient]]:
    text = host.connection_string()
    async with BlobServiceClient.from_connection_string(text) as blobs, QueueServiceClient.from_connection_string(text) as queues:
        yield blobs, queues


async def next_message(queues: QueueServiceClient, name: str) -> QueueMessage:
    limit = time.monotonic() + 15
    while time.monotonic() < limit:
        try:
            message = await queues.get_queue_client(name).receive_message()
        except ResourceNotFoundError:
            message = None
        if message is not None:
            return message
    raise AssertionError(f"no message in {name}")


async def put(blobs: BlobServiceClient, name: str, content: bytes = b"x") -> None:
    container = blobs.get_container_client("samples")
    if not await container.exists():
        await container.create_container()
    await container.upload_blob(name, content, overwrite=True)


async def test_a_queue_that_appears_later_is_served(host: RunningHost) -> None:
    async with storage(host) as (_, queues):
        queue = queues.get_queue_client("work")
        await queue.create_queue()
        for number in range(20):
            await queue.send_message(f"good-{number}")
        host.wait_until_seen("queue good-", 20)
        assert len({line for line in host.seen if "good-" in line}) == 20

        async def left() -> int:
            return int((await queue.get_queue_properties()).approximate_message_count or 0)

        limit = time.monotonic() + 10
        while await left() and time.monotonic() < limit:
            pass
        assert await left() == 0


async def test_five_tries_and_then_the_poison_queue(host: RunningHost) -> None:
    async with storage(host) as (_, queues):
        queue = queues.get_queue_client("work")
        with contextlib.suppress(ResourceExistsError):
            await queue.create_queue()
        await queue.send_message("bad-1")
        message = await next_message(queues, "work-poison")
        assert message.content == "bad-1"
        assert [line for line in host.seen if "bad-1" in line] == [f"queue bad-1 try {number} on_message" for number in range(1, 6)]


async def test_a_blob_is_seen_at_once_and_once(host: RunningHost) -> None:
    async with storage(host) as (blobs, _):
        await put(blobs, "first.png")
        host.wait_until_seen("blob samples/first.png")
        started = time.monotonic()
        await put(blobs, "folder/second.png")
        host.wait_until_seen("blob samples/folder/second.png")
        assert time.monotonic() - started < 1  # 0.3 s and what a busy machine adds
        await put(blobs, "first.png", b"changed")
        host.wait_until_seen("blob samples/first.png", 2)
        await put(blobs, "marker")
        host.wait_until_seen("blob samples/marker")
        assert host.seen.count("blob samples/folder/second.png") == 1


async def test_a_blob_that_fails_five_times_is_told_to_the_poison_queue(host: RunningHost) -> None:
    async with storage(host) as (blobs, queues):
        await put(blobs, "bad.png")
        message = json.loads((await next_message(queues, "webjobs-blobtrigger-poison")).content)
        etag = (await blobs.get_blob_client("samples", "bad.png").get_blob_properties()).etag
        assert message == {
            "Type": "BlobTrigger",
            "FunctionId": "Host.Functions.on_blob",
            "BlobType": "BlockBlob",
            "ContainerName": "samples",
            "BlobName": "bad.png",
            "ETag": etag,
        }
        assert host.seen.count("blob samples/bad.png") == 5


@pytest.mark.parametrize("worker", WORKERS)
async def test_a_restart_repeats_nothing(start: Start, worker: str) -> None:
    first = start("--worker", worker)
    async with storage(first) as (blobs, queues):
        await put(blobs, "done.png")
        await put(blobs, "bad.png")
        await next_message(queues, "webjobs-blobtrigger-poison")
        first.wait_until_seen("blob samples/done.png")
    assert first.stop() == 0
    second = start("--worker", worker, data=first.data)
    async with storage(second) as (blobs, _):
        assert await blobs.get_blob_client("samples", "done.png").exists()  # Azurite kept the data
        await put(blobs, "new.png")
        second.wait_until_seen("blob samples/new.png")
    assert [line for line in second.seen if line.startswith("blob")] == ["blob samples/new.png"]


def test_timers_fire_by_the_wall_clock_and_never_overlap(start: Start) -> None:
    host = start("--no-azurite", SAMPLE_SCHEDULE="* * * * * *", SAMPLE_TIMER_SECONDS="1.5")
    host.wait_until_seen("timer ends", 2)
    moves = [line.split()[1] for line in host.seen]
    assert moves[:4] == ["begins", "ends", "begins", "ends"]


def test_base64_messages_are_the_default(start: Start, tmp_path_factory: pytest.TempPathFactory) -> None:
    app = tmp_path_factory.mktemp("app")
    source = SAMPLE
    (app / "function_app.py").write_text((source / "function_app.py").read_text())
    (app / "host.json").write_text('{"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}')
    host = start(app=app)
    with QueueClient.from_connection_string(host.connection_string(), "work") as queue:
        queue.create_queue()
        queue.send_message("Z29vZA==")
        host.wait_until_seen("queue good try 1")
        queue.send_message("no base64!")
    wait_for("the message is given up", lambda: "moved to work-poison" in host.log)
