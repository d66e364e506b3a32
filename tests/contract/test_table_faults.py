"""Table requests when the way to storage is bad: what is tried again, what is not, and what a caller learns."""

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import ClientSession

from shared_code.errors import StorageUnavailable
from shared_code.storage.azure_storage import AzureStorage
from shared_code.storage.azure_table_auth import from_connection_string
from shared_code.storage.azure_table_rest import TableRequests
from shared_code.storage.ports import AlreadyExists, Delete, EtagMismatch, Insert, Merge, Missing, Replace, StorageError, Tables, Upsert
from tests.azurite import AzuriteHandle
from tests.contract.faults import BUSY, CUT, CUT_WITHIN, LOST, Server, answer, before, scripted

Call = Callable[[Tables, str], Awaitable[object]]

HARMLESS: dict[str, Call] = {
    "get": lambda t, name: t.get(name, "p", "row"),
    "query": lambda t, name: t.query(name, "p"),
    "upsert": lambda t, name: t.apply(name, "p", Upsert("row", {"n": 2})),
    "replace": lambda t, name: t.apply(name, "p", Replace("row", {"n": 2})),
    "merge": lambda t, name: t.apply(name, "p", Merge("row", {"n": 2})),
    "upserts": lambda t, name: t.batch(name, "p", [Upsert("row", {"n": 2}), Upsert("other", {})]),
    "check": lambda t, name: t.check(),  # type: ignore[attr-defined]  # of the adapter, not of the port
}
ONCE: dict[str, Call] = {
    "insert": lambda t, name: t.apply(name, "p", Insert("new", {})),
    "inserts": lambda t, name: t.batch(name, "p", [Insert("new", {}), Upsert("row", {"n": 2})]),
    "deletes": lambda t, name: t.batch(name, "p", [Delete("row"), Upsert("new", {})]),
}


@pytest.fixture
async def proxy(azurite: AzuriteHandle) -> AsyncIterator[Server]:
    async with before(azurite) as server:
        yield server


@pytest.fixture
async def tables(proxy: Server, name: str) -> AsyncIterator[Tables]:
    """Behind the proxy, with one row, and nothing spoilt yet."""
    storage = proxy.storage()
    await storage.tables.apply(name, "p", Insert("row", {"n": 1}))
    proxy.requests.clear()
    yield storage.tables
    await storage.aclose()


@pytest.mark.parametrize("call", HARMLESS | ONCE)
async def test_busy_then_well(tables: Tables, proxy: Server, name: str, call: str) -> None:
    proxy.script = [BUSY, BUSY]
    await (HARMLESS | ONCE)[call](tables, name)
    assert len(proxy.requests) == 3


@pytest.mark.parametrize("status", [408, 429, 500, 502, 504])
async def test_other_passing_trouble(tables: Tables, proxy: Server, name: str, status: int) -> None:
    proxy.script = [answer(status)]
    assert await tables.get(name, "p", "row") is not None
    assert len(proxy.requests) == 2


async def test_trouble_within_a_batch(tables: Tables, proxy: Server, name: str) -> None:
    """The service is busy with the change set, not with the request: 202 outside, 503 inside."""
    proxy.script = [_batch_answer("HTTP/1.1 503 Server Busy\r\n\r\n")]
    await ONCE["inserts"](tables, name)
    assert len(proxy.requests) == 2


@pytest.mark.parametrize("call", HARMLESS)
@pytest.mark.parametrize("fault", [CUT, CUT_WITHIN, LOST])
async def test_an_interrupted_connection(tables: Tables, proxy: Server, name: str, call: str, fault: bytes) -> None:
    proxy.script = [fault]
    await HARMLESS[call](tables, name)
    assert len(proxy.requests) == 2
    row = await tables.get(name, "p", "row")
    assert row is not None
    assert row.values["n"] == (1 if call in ("get", "query", "check") else 2)


async def test_an_insert_answered_with_the_row(name: str) -> None:
    async with scripted(answer(201, '{"PartitionKey":"p"}', 'ETag: W/"1"')) as server:
        storage = server.storage()
        assert await storage.tables.apply(name, "p", Insert("k", {})) == 'W/"1"'
        await storage.aclose()


async def test_a_large_body_is_sent_whole_on_every_try(tables: Tables, proxy: Server, name: str) -> None:
    proxy.script = [BUSY, CUT]
    await tables.batch(name, "p", [Upsert(f"k{n:02}", {"text": f"{n:02}" * 16_000}) for n in range(40)])
    sizes = {len(request) for request in proxy.requests}
    assert (len(proxy.requests), len(sizes)) == (3, 1)
    assert sizes.pop() > 1024 * 1024
    assert [row.values["text"] for row in await tables.query(name, "p", prefix="k")] == [f"{n:02}" * 16_000 for n in range(40)]


@pytest.mark.parametrize("call", ONCE)
@pytest.mark.parametrize(("fault", "done"), [(CUT, False), (LOST, True)])
async def test_what_may_have_happened_is_not_done_twice(
    tables: Tables, proxy: Server, name: str, call: str, fault: bytes, done: bool
) -> None:
    proxy.script = [fault]
    with pytest.raises(StorageUnavailable):
        await ONCE[call](tables, name)
    assert len(proxy.requests) == 1
    assert (await tables.get(name, "p", "new") is not None) is done


async def test_a_kept_connection_that_has_ended(tables: Tables, proxy: Server, name: str) -> None:
    """Storage closed it while it was idle; that is seen before anything is sent on it."""
    proxy.script = [answer(404, "", "Connection: close")]
    assert await tables.get(name, "p", "none") is None
    await ONCE["insert"](tables, name)


async def test_always_interrupted(name: str) -> None:
    async with scripted(CUT) as server:
        storage = server.storage()
        started = time.monotonic()
        for call in (*HARMLESS.values(), *ONCE.values()):
            server.requests.clear()
            with pytest.raises(StorageUnavailable):
                await call(storage.tables, name)
            assert len(server.requests) <= 6  # three tries, of which aiohttp makes two each
        assert time.monotonic() - started < 5 * len(HARMLESS | ONCE)
        await storage.aclose()


async def test_a_silent_server_is_asked_once() -> None:
    heard, gone = 0, asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        await reader.readuntil(b"\r\n\r\n")
        heard += 1
        await reader.read()  # until the client hangs up
        writer.close()
        await writer.wait_closed()
        gone.set()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as listener, ClientSession() as session:
        port = listener.sockets[0].getsockname()[1]
        account = from_connection_string(f"AccountName=a;AccountKey=a2V5;TableEndpoint=http://127.0.0.1:{port}/a")
        with pytest.raises(StorageUnavailable):
            await TableRequests(session, account, connect=1, read=0.2).send("GET", "/table")
        async with asyncio.timeout(5):
            await gone.wait()
    assert heard == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(name: str, status: int) -> None:
    async with scripted(answer(404)) as elsewhere:
        async with scripted(answer(status, "", f"Location: {elsewhere.url}/stolen")) as server:
            storage = server.storage()
            for call in (HARMLESS["get"], HARMLESS["upsert"], *ONCE.values()):
                with pytest.raises(StorageUnavailable):
                    await call(storage.tables, name)
            await storage.aclose()
        assert elsewhere.requests == []


STRANGE = {
    "a page": answer(200, "<html>Sign in to the network</html>"),
    "no entity": answer(200, '{"value": 5}'),
    "a list": answer(200, "[]"),
    "deep": answer(200, "[" * 100_000),
    "a number that is none": answer(200, '{"PartitionKey":"p","RowKey":"k","odata.etag":"e","n@odata.type":"Edm.Int64","n":"x"}'),
    "no parts": answer(202, "accepted"),
    "nothing said": answer(204),
    "cut parts": answer(202, "Content-Type: multipart/mixed; boundary=changesetresponse_1\r\n\r\n--changesetresponse_1\r\n"),
}


@pytest.mark.parametrize("kind", STRANGE)
async def test_answers_that_no_table_service_gives(name: str, kind: str) -> None:
    async with scripted(STRANGE[kind]) as server:
        storage = server.storage()
        for call in (HARMLESS["get"], HARMLESS["query"], HARMLESS["upsert"], *ONCE.values()):
            with pytest.raises(StorageUnavailable):
                await call(storage.tables, name)
        await storage.aclose()


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (answer(403, "<?xml version='1.0'?><m:error><m:code>AuthenticationFailed</m:code></m:error>"), StorageUnavailable),
        (answer(401), StorageUnavailable),
        (answer(400, "{"), StorageError),
        (answer(400, '{"odata.error": []}'), StorageError),
        (answer(400, '{"odata.error":{"code":"InvalidInput","message":{"value":"2:x"}}}'), StorageError),
        (answer(409, '{"odata.error":{"code":"TableBeingDeleted","message":{"value":"x"}}}'), StorageUnavailable),
        (answer(409, '{"odata.error":{"code":"EntityAlreadyExists","message":{"value":"x"}}}'), AlreadyExists),
        (answer(412, "", "x-ms-error-code: UpdateConditionNotSatisfied"), EtagMismatch),
        (answer(404, "<m:error><code>ResourceNotFound</code></m:error>"), Missing),
    ],
)
async def test_errors_in_any_form(name: str, said: bytes, error: type[Exception]) -> None:
    async with scripted(said) as server:
        storage = server.storage()
        for call in (HARMLESS["merge"], ONCE["inserts"]):
            with pytest.raises(error):
                await call(storage.tables, name)
        await storage.aclose()


@pytest.mark.parametrize("fault", [CUT, BUSY, answer(403), answer(307), answer(200, "{")])
async def test_no_error_shows_a_signature_or_a_key(name: str, fault: bytes) -> None:
    async with scripted(fault) as server:
        storage = AzureStorage.from_connection_string(f"TableEndpoint={server.url};SharedAccessSignature=sv=1&sig=c2VjcmV0")
        with pytest.raises(StorageUnavailable) as caught:
            await storage.tables.get(name, "p", "someone@example.com")
        text = "".join(traceback.format_exception(caught.value))
        assert "c2VjcmV0" not in text
        assert "example.com" not in text.replace('someone@example.com")', "")  # the line of this test is in it
        assert b"sig=c2VjcmV0" in server.requests[0]
        await storage.aclose()


async def test_pages_are_put_together(name: str) -> None:
    """Continuation headers come back as they were given, whatever they hold."""

    def page(*found: str) -> str:
        rows = [f'{{"odata.etag":"e","PartitionKey":"p","RowKey":"{key}"}}' for key in found]
        return '{"value":[' + ",".join(rows) + "]}"

    more = ("x-ms-continuation-NextPartitionKey: 1!4!cA--", "x-ms-continuation-NextRowKey: 1!8!a b&c=d'")
    only = ("x-ms-continuation-NextPartitionKey: 1!4!cQ--",)
    async with scripted(answer(200, page("a", "b"), *more), answer(200, page(), *only), answer(200, page("c"))) as server:
        storage = server.storage()
        assert [row.key for row in await storage.tables.query(name, "p", limit=5)] == ["a", "b", "c"]
        await storage.aclose()
    asked = [request.split(b" ")[1].partition(b"?")[2].decode() for request in server.requests]
    first = "$top=5&$filter=PartitionKey%20eq%20%27p%27"
    assert asked == [
        first,
        f"{first}&NextPartitionKey=1%214%21cA--&NextRowKey=1%218%21a%20b%26c%3Dd%27",
        f"{first}&NextPartitionKey=1%214%21cQ--",
    ]


def _batch_answer(part: str) -> bytes:
    body = (
        "--batchresponse_1\r\nContent-Type: multipart/mixed; boundary=changesetresponse_2\r\n\r\n"
        "--changesetresponse_2\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        f"{part}\r\n--changesetresponse_2--\r\n--batchresponse_1--\r\n"
    )
    return answer(202, body, "Content-Type: multipart/mixed; boundary=batchresponse_1")


@pytest.mark.parametrize(
    ("status", "headers", "message", "error", "index"),
    [
        (409, "Content-ID: 3\r\n", "0:The specified entity already exists.", AlreadyExists, 0),
        (409, "Content-ID: 0\r\n", "The specified entity already exists.", AlreadyExists, 0),
        (404, "Content-ID: 3\r\n", "The specified resource does not exist.", Missing, 3),
        (412, "", "3:The update condition was not satisfied.", EtagMismatch, 3),
        (409, "", "The specified entity already exists.", AlreadyExists, 1),
        (404, "", "The specified resource does not exist.", Missing, 2),
        (412, "", "The update condition was not satisfied.", EtagMismatch, 3),
        (412, "Content-ID: 77\r\n", "99:The update condition was not satisfied.", EtagMismatch, 3),
        (412, "", "²:The update condition was not satisfied.", EtagMismatch, 3),
    ],
)
async def test_which_operation_failed_as_the_service_says_it(
    name: str, status: int, headers: str, message: str, error: type[AlreadyExists] | type[Missing] | type[EtagMismatch], index: int
) -> None:
    body = f'{{"odata.error":{{"code":"Code","message":{{"lang":"en-US","value":"{message}\\nRequestId:1\\nTime:2"}}}}}}'
    part = f"HTTP/1.1 {status} Failed\r\n{headers}DataServiceVersion: 3.0;\r\nContent-Type: application/json\r\n\r\n{body}"
    async with scripted(_batch_answer(part)) as server:
        storage = server.storage()
        with pytest.raises(error) as caught:
            await storage.tables.batch(name, "p", [Upsert("0", {}), Insert("1", {}), Replace("2", {}), Merge("3", {}, 'W/"1"')])
        assert getattr(caught.value, "index", None) == index
        await storage.aclose()
