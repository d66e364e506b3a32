"""Who calls: bearer credentials, scopes of API keys, roles."""

from typing import Annotated, Any, ClassVar

import httpx
import pytest
from fastapi import APIRouter, Depends

from shared_code.errors import Unauthenticated
from shared_code.web import app as web_app
from shared_code.web.callers import AccountCaller, Caller, CallerDependency, FilesCaller
from shared_code.web.endpoint import Endpoint
from tests.unit.apps import settings_of

router = APIRouter(route_class=Endpoint)


@router.get("/files", name="t_files")
async def files(caller: FilesCaller) -> str:
    return caller.user_id


@router.get("/account", name="t_account")
async def account(caller: AccountCaller) -> str:
    return caller.user_id


@router.get("/admin", name="t_admin")
async def admin(caller: Annotated[Caller, Depends(CallerDependency("monitoring", admin=True))]) -> str:
    return caller.user_id


@router.get("/open", name="t_open")
async def is_open() -> str:
    return "anyone"


class Named:
    callers: ClassVar = {
        "user": Caller("ada", "user", session_id="s"),
        "admin": Caller("root", "admin", session_id="s"),
        "files-key": Caller("ada", "user", key_id="k", scopes=frozenset({"files"})),
        "admin-key": Caller("root", "admin", key_id="k", scopes=frozenset({"monitoring"})),
        "no-key": Caller("ada", "user", key_id="k", scopes=frozenset()),
    }  # fmt: skip

    def __init__(self) -> None:
        self.asked = 0

    async def authenticate(self, credentials: str) -> Caller:
        self.asked += 1
        if credentials not in self.callers:
            raise Unauthenticated("Nobody.", code="invalid_token")
        return self.callers[credentials]


@pytest.fixture
def named() -> Named:
    return Named()


@pytest.fixture
def client(named: Named) -> httpx.AsyncClient:
    app = web_app.build(settings_of(), [router])
    app.state.authenticator = named
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://t")


@pytest.mark.parametrize(
    ("path", "credentials", "status", "code"),
    [
        ("/files", "user", 200, None),
        ("/files", "files-key", 200, None),
        ("/files", "no-key", 403, "insufficient_scope"),
        ("/files", "admin-key", 403, "insufficient_scope"),
        ("/account", "user", 200, None),
        ("/account", "files-key", 403, "insufficient_scope"),
        ("/admin", "admin", 200, None),
        ("/admin", "admin-key", 200, None),
        ("/admin", "user", 403, "forbidden"),
        ("/admin", "stranger", 401, "invalid_token"),
    ],
)
async def test_who_may_what(client: httpx.AsyncClient, path: str, credentials: str, status: int, code: str | None) -> None:
    response = await client.get(path, headers={"Authorization": f"Bearer {credentials}"})
    assert (response.status_code, response.json() if code is None else response.json()["code"])[0] == status
    assert code is None or response.json()["code"] == code
    assert ("www-authenticate" in response.headers) is (status == 401)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic dXNlcjo=", "user", "Bearer\tuser", "Token user"])
async def test_no_credentials(client: httpx.AsyncClient, named: Named, header: str | None) -> None:
    response = await client.get("/files", headers={} if header is None else {"Authorization": header})
    assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")
    assert response.headers["www-authenticate"] == "Bearer"
    assert named.asked == 0


@pytest.mark.parametrize("header", ["bearer user", "BEARER user", "Bearer   user  "])
async def test_the_scheme_is_written_in_any_case(client: httpx.AsyncClient, header: str) -> None:
    assert (await client.get("/files", headers={"Authorization": header})).status_code == 200


async def test_a_caller_is_looked_up_once_a_request(client: httpx.AsyncClient, named: Named) -> None:
    await client.get("/files", headers={"Authorization": "Bearer user"})
    assert named.asked == 1


async def test_an_open_route_asks_nobody(client: httpx.AsyncClient, named: Named) -> None:
    assert (await client.get("/open", headers={"Authorization": "Bearer stranger"})).json() == "anyone"
    assert named.asked == 0
    routes: dict[str, Any] = {route.path: route for route in router.routes}  # type: ignore[attr-defined]  # all are Endpoints
    assert {path: route.needs_caller for path, route in routes.items()} == {
        "/files": True,
        "/account": True,
        "/admin": True,
        "/open": False,
    }
