"""When storage is away, slow, refuses us, or is used from more than one event loop."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from shared_code.errors import StorageUnavailable
from shared_code.storage.azure_clients import CONNECT_TIMEOUT, sibling_url
from shared_code.storage.azure_storage import AzureStorage
from shared_code.storage.ports import Delete, Insert, Message, Storage, Upsert
from tests.azurite import AzuriteHandle, connection_string, free_ports
from tests.contract.conftest import all_of

CALLS: dict[str, Callable[[Storage], Awaitable[object]]] = {
    "get": lambda s: s.tables.get("table", "p", "k"),
    "insert": lambda s: s.tables.apply("table", "p", Insert("k", {})),
    "upsert": lambda s: s.tables.apply("table", "p", Upsert("k", {})),
    "delete_row": lambda s: s.tables.apply("table", "p", Delete("k")),
    "batch": lambda s: s.tables.batch("table", "p", [Insert("k", {})]),
    "query": lambda s: s.tables.query("table", "p"),
    "drop": lambda s: s.tables.drop("table"),
    "list_tables": lambda s: s.tables.list_tables(),
    "put": lambda s: s.blobs.put("container", "b", b"x", content_type="text/plain"),
    "stage": lambda s: s.blobs.stage("container", "b", 0, b"x"),
    "commit": lambda s: s.blobs.commit("container", "b", 1, content_type="text/plain"),
    "read": lambda s: s.blobs.read("container", "b"),
    "properties": lambda s: s.blobs.properties("container", "b"),
    "delete_blob": lambda s: s.blobs.delete("container", "b"),
    "list": lambda s: anext(aiter(s.blobs.list("container"))),
    "grant": lambda s: s.blobs.grant_upload("container", "b", content_type="text/plain", lifetime=60),
    "send": lambda s: s.queues.send("queue", "x"),
    "receive": lambda s: s.queues.receive("queue"),
    "delete_message": lambda s: s.queues.delete("queue", Message("1", "x", "r", 1, None)),  # type: ignore[arg-type]  # the date is not looked at
    "peek": lambda s: s.queues.peek("queue"),
    "count": lambda s: s.queues.count("queue"),
    "check": lambda s: s.check(),
}


def storage_at(port: int, **ports: int) -> AzureStorage:
    urls = (f"http://127.0.0.1:{ports.get(service, port)}/devstoreaccount1" for service in ("blob", "queue", "table"))
    return AzureStorage.from_connection_string(connection_string(*urls))


@pytest.fixture
async def dead() -> AsyncIterator[AzureStorage]:
    storage = storage_at(free_ports(1)[0])
    yield storage
    await storage.aclose()


@pytest.mark.parametrize("call", CALLS)
async def test_a_dead_storage_says_so_soon(dead: AzureStorage, call: str) -> None:
    started = time.monotonic()
    with pytest.raises(StorageUnavailable):
        await CALLS[call](dead)
    assert time.monotonic() - started < 5


async def test_an_address_that_swallows_packets_is_given_up() -> None:
    """A listening socket whose backlog is full drops further connections, as a firewall does."""
    held: list[socket.socket] = []
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(full.getsockname())
            held.append(client)
        storage = storage_at(full.getsockname()[1])
        started = time.monotonic()
        with pytest.raises(StorageUnavailable):
            await storage.tables.get("table", "p", "k")
        assert CONNECT_TIMEOUT <= time.monotonic() - started < 7
        await storage.aclose()
        for client in held:
            client.close()


async def test_a_server_in_trouble() -> None:
    """503 to everything: tried again, then given up."""
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n")).decode())
        writer.write(b"HTTP/1.1 503 Server Busy\r\nx-ms-error-code: ServerBusy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        storage = storage_at(server.sockets[0].getsockname()[1])
        for call in ("get", "properties", "peek"):
            asked.clear()
            with pytest.raises(StorageUnavailable):
                await CALLS[call](storage)
            assert len(asked) == 3
        await storage.aclose()


async def test_a_large_body_is_sent_whole_on_every_try() -> None:
    received: list[int] = []
    data = bytes(3 * 1024 * 1024 + 1)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        received.append(len(await reader.readexactly(len(data))))
        writer.write(b"HTTP/1.1 503 Server Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        storage = storage_at(server.sockets[0].getsockname()[1])
        with pytest.raises(StorageUnavailable):
            await storage.blobs.stage("container", "b", 0, data)
        await storage.aclose()
    assert received == [len(data)] * 3


async def test_a_wrong_key_is_not_ours_to_explain(azurite: AzuriteHandle) -> None:
    key = "bm90IHRoZSBrZXk="  # "not the key"
    start, _, rest = azurite.connection_string.partition("AccountKey=")
    storage = AzureStorage.from_connection_string(f"{start}AccountKey={key};{rest.partition(';')[2]}")
    for call in ("get", "insert", "batch", "properties", "put", "send", "check"):
        with pytest.raises(StorageUnavailable):
            await CALLS[call](storage)
    await storage.aclose()


async def test_check_names_the_one_that_is_away(azurite: AzuriteHandle) -> None:
    dead = f"http://127.0.0.1:{free_ports(1)[0]}/devstoreaccount1"
    urls = {"blob": azurite.blob_url, "queue": azurite.queue_url, "table": azurite.table_url}
    for service in urls:
        storage = AzureStorage.from_connection_string(connection_string(*(urls | {service: dead}).values()))
        with pytest.raises(StorageUnavailable, match=service):
            await storage.check()
        await storage.aclose()


async def test_check_of_a_living_storage(storage: Storage) -> None:
    await storage.check()


def test_one_storage_on_two_event_loops(azurite: AzuriteHandle, name: str) -> None:
    storage = AzureStorage.from_connection_string(azurite.connection_string)

    async def use() -> list[bytes]:
        await storage.blobs.put(name, "b", b"x", content_type="text/plain")
        await storage.tables.apply(name, "p", Upsert("k", {}))
        await storage.queues.send(name, "x")
        data = await all_of(await storage.blobs.read(name, "b"))
        await storage.aclose()
        return [data]

    assert asyncio.run(use()) == asyncio.run(use()) == [b"x"]


async def test_it_works_again_after_aclose(azure: AzureStorage, name: str) -> None:
    await azure.tables.apply(name, "p", Insert("k", {}))
    await azure.aclose()
    assert await azure.tables.get(name, "p", "k") is not None


def test_a_pinned_api_version_is_sent(azurite: AzuriteHandle) -> None:
    storage = AzureStorage.from_connection_string(azurite.connection_string, api_version="2021-12-02")

    async def versions() -> tuple[str, str]:
        clients = storage._clients()  # what the SDK was given shows nowhere else
        found = clients.blob_service.api_version, clients.queue_service.api_version
        await storage.check()
        await storage.aclose()
        return found

    assert asyncio.run(versions()) == ("2021-12-02", "2021-12-02")


def test_importing_imports_no_sdk() -> None:
    code = (
        "import sys; from shared_code.storage.azure_storage import AzureStorage; AzureStorage.from_connection_string('x=y');"
        "print([m for m in sys.modules if m.split('.')[0] in ('azure', 'aiohttp')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_rows_need_no_tables_sdk(azurite: AzuriteHandle, name: str) -> None:
    """Only making, dropping and listing tables imports it."""
    code = (
        "import asyncio, sys; from shared_code.storage.azure_storage import AzureStorage; from shared_code.storage.ports import Upsert\n"
        "async def use(text, name):\n"
        "    storage = AzureStorage.from_connection_string(text)\n"
        "    await storage.tables.check()\n"
        "    await storage.tables.apply(name, 'p', Upsert('k', {}))\n"
        "    assert await storage.tables.query(name)\n"
        "    await storage.aclose()\n"
        "    print('azure.data.tables' in sys.modules)\n"
        "asyncio.run(use(*sys.argv[1:]))"
    )
    imported = []
    for _ in range(2):  # the first makes the table
        done = subprocess.run([sys.executable, "-c", code, azurite.connection_string, name], capture_output=True, text=True, check=True)
        imported.append(done.stdout.strip())
    assert imported == ["True", "False"]


def test_urls_of_one_account() -> None:
    assert sibling_url("https://name.blob.core.windows.net", "table") == "https://name.table.core.windows.net"
    assert sibling_url("https://name.blob.core.chinacloudapi.cn/", "queue") == "https://name.queue.core.chinacloudapi.cn"
    for url in ("https://files.example.org", "https://127.0.0.1:10000/devstoreaccount1", "name"):
        with pytest.raises(ValueError):
            sibling_url(url, "table")
