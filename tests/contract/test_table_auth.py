"""Who signs table requests: keys, signatures in the URL, tokens that are kept and renewed once."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from azure.data.tables import AccountSasPermissions, ResourceTypes, generate_account_sas

from shared_code.errors import StorageUnavailable
from shared_code.storage import azure_table_auth as auth
from shared_code.storage.azure_storage import AzureStorage
from shared_code.storage.ports import Delete, Insert, Upsert
from tests.azurite import ACCOUNT, KEY, AzuriteHandle

EXAMPLE_KEY = "bm90IGEgc2VjcmV0"


class Credential:
    """Gives tokens t1, t2 … good for ``lifetime`` seconds, once ``gate`` is open; fails while ``broken``."""

    def __init__(self, lifetime: int = 3600) -> None:
        self.lifetime, self.asked, self.broken = lifetime, 0, False
        self.gate, self.begun = asyncio.Event(), asyncio.Event()
        self.gate.set()

    async def get_token(self, *scopes: str, **_: object) -> AccessToken:
        assert scopes == ("https://storage.azure.com/.default",)
        self.asked += 1
        number = self.asked
        self.begun.set()
        await self.gate.wait()
        if self.broken:
            raise ClientAuthenticationError("no identity")
        return AccessToken(f"t{number}", int(time.time()) + self.lifetime)

    async def close(self) -> None: ...

    async def __aenter__(self) -> "Credential":
        return self

    async def __aexit__(self, *_: object) -> None: ...


async def header(token: auth.BearerToken) -> str:
    return await token.header("GET", "/table", "", "now")


async def until_asked(credential: Credential) -> None:
    async with asyncio.timeout(5):
        await credential.begun.wait()


async def test_many_callers_ask_for_one_token() -> None:
    credential = Credential()
    credential.gate.clear()
    token = auth.BearerToken(credential)
    callers = [asyncio.create_task(header(token)) for _ in range(20)]
    await until_asked(credential)
    callers[0].cancel()  # whoever began it goes away; the others still get it
    await asyncio.gather(callers[0], return_exceptions=True)
    credential.gate.set()
    assert await asyncio.gather(*callers[1:]) == ["Bearer t1"] * 19
    assert await header(token) == "Bearer t1"
    assert credential.asked == 1


async def test_a_failure_is_shared_and_not_kept() -> None:
    credential = Credential()
    credential.gate.clear()
    credential.broken = True
    token = auth.BearerToken(credential)
    callers = [asyncio.create_task(header(token)) for _ in range(5)]
    await until_asked(credential)
    credential.gate.set()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(result) for result in results] == [StorageUnavailable] * 5
    assert credential.asked == 1
    credential.broken = False
    assert await header(token) == "Bearer t2"


async def test_renewal_before_the_end() -> None:
    """Within the last five minutes one caller renews; the others go on with what is still good."""
    credential = Credential(lifetime=auth.RENEW_BEFORE - 1)
    token = auth.BearerToken(credential)
    assert await header(token) == "Bearer t1"
    assert await header(token) == "Bearer t1", "not again at once, should the credential give only short ones"
    token._not_before = 0  # the pause is over
    credential.gate.clear()
    credential.begun.clear()
    renewing = asyncio.create_task(header(token))
    await until_asked(credential)
    assert await asyncio.gather(*(header(token) for _ in range(5))) == ["Bearer t1"] * 5
    credential.lifetime = 3600
    credential.gate.set()
    assert await renewing == "Bearer t2"
    assert await header(token) == "Bearer t2"
    assert credential.asked == 2


async def test_a_failed_renewal_leaves_the_old_one() -> None:
    credential = Credential(lifetime=auth.RENEW_BEFORE - 1)
    token = auth.BearerToken(credential)
    await header(token)
    token._not_before, credential.broken = 0, True
    assert await header(token) == "Bearer t1"
    assert credential.asked == 2


async def test_one_that_has_expired_is_not_used() -> None:
    credential = Credential(lifetime=0)
    token = auth.BearerToken(credential)
    await header(token)
    credential.broken = True
    with pytest.raises(StorageUnavailable):
        await header(token)


async def test_one_that_was_refused_is_forgotten() -> None:
    credential = Credential()
    token = auth.BearerToken(credential)
    await header(token)
    token.refused()
    assert await header(token) == "Bearer t2"


def test_a_token_never_goes_out_in_the_clear() -> None:
    with pytest.raises(ValueError, match="https"):
        auth.from_credential("http://name.table.core.windows.net", Credential())


async def test_shared_key_signs_what_the_service_documents() -> None:
    """The lines of "Authorize with Shared Key": verb, MD5, type, date, resource."""
    found = await auth.SharedKey("name", EXAMPLE_KEY).header("PUT", "/t(PartitionKey='a%27',RowKey='')", "application/json", "date")
    assert found == "SharedKey name:oJAWSvBv0PjYGN/P4p19si3ierc8qe5xxgvgIbr60s4="


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (f"AccountName=name;AccountKey={EXAMPLE_KEY}", "https://name.table.core.windows.net"),
        (f"DefaultEndpointsProtocol=http;accountname=name;ACCOUNTKEY={EXAMPLE_KEY};", "http://name.table.core.windows.net"),
        (f"AccountName=name;AccountKey={EXAMPLE_KEY};EndpointSuffix=core.chinacloudapi.cn", "https://name.table.core.chinacloudapi.cn"),
        (f"AccountName=name;AccountKey={EXAMPLE_KEY};TableEndpoint=https://h:1/name/", "https://h:1/name"),
        ("TableEndpoint=https://h/;SharedAccessSignature=?sv=1&sig=a%3D", "https://h"),
        ("UseDevelopmentStorage=true", "http://127.0.0.1:10002/devstoreaccount1"),
        ("usedevelopmentstorage=True;", "http://127.0.0.1:10002/devstoreaccount1"),
    ],
)
def test_connection_strings(text: str, url: str) -> None:
    account = auth.from_connection_string(text)
    assert account.origin + account.path == url
    assert EXAMPLE_KEY not in repr(account)
    assert "sig" not in repr(account)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "=x",
        "AccountName=name",
        f"AccountKey={EXAMPLE_KEY}",
        "AccountName=name;AccountKey=not base64!",
        "SharedAccessSignature=sig=1",
        "TableEndpoint=https://h;SharedAccessSignature=a b",
        f"AccountName=name;AccountKey={EXAMPLE_KEY};TableEndpoint=ftp://h",
        f"AccountName=name;AccountKey={EXAMPLE_KEY};TableEndpoint=https://user@h",
        f"AccountName=name;AccountKey={EXAMPLE_KEY};TableEndpoint=https://h?sig=1",
    ],
)
def test_connection_strings_that_are_none(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        auth.from_connection_string(text)
    assert EXAMPLE_KEY not in str(caught.value)


async def test_a_shared_access_signature(azurite: AzuriteHandle, name: str) -> None:
    from azure.core.credentials import AzureNamedKeyCredential

    signature = generate_account_sas(
        AzureNamedKeyCredential(ACCOUNT, KEY),
        resource_types=ResourceTypes(service=True, container=True, object=True),
        permission=AccountSasPermissions(read=True, write=True, delete=True, list=True, add=True, create=True, update=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    storage = AzureStorage.from_connection_string(f"TableEndpoint={azurite.table_url};SharedAccessSignature={signature}")
    tables = storage.tables
    await tables.check()
    await tables.apply(name, "p", Insert("k", {"n": 1}))
    await tables.batch(name, "p", [Upsert("k", {"n": 2}), Insert("l", {})])
    assert [row.key for row in await tables.query(name, "p", prefix="k")] == ["k"]
    await tables.apply(name, "p", Delete("l"))
    row = await tables.get(name, "p", "k")
    assert row is not None
    assert row.values == {"n": 2}
    await storage.aclose()
