"""Who calls: from ``Authorization: Bearer`` to a Caller, once for each request, as FastAPI dependencies."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

from fastapi import Depends, Request

from shared_code.errors import Forbidden, Unauthenticated

Role = Literal["user", "admin"]


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller. ``scopes`` is None for a person's own session, which may do all that the role may. ``ai``: what the
    API key's row says that the AI gateway is to limit it to."""

    user_id: str
    role: Role
    session_id: str | None = None
    key_id: str | None = None
    scopes: frozenset[str] | None = None
    ai: Mapping[str, Any] | None = None


class Authenticator(Protocol):
    async def authenticate(self, credentials: str) -> Caller:
        """The caller that a bearer token stands for; raises Unauthenticated."""


async def authenticated(request: Request) -> Caller:
    """The request's caller, resolved at most once; raises Unauthenticated."""
    state = request.scope["state"]
    if "caller" not in state:
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not credentials.strip():
            raise Unauthenticated("This route needs an access token or an API key: Authorization: Bearer …")
        authenticator: Authenticator = request.app.state.authenticator
        state["caller"] = await authenticator.authenticate(credentials.strip())
    caller: Caller = state["caller"]
    return caller


class CallerDependency:
    """``Depends(CallerDependency("files"))``: a caller whose API key, if it is one, has the scope; ``admin`` also asks for
    the role. ``scope=None`` means that no API key will do: the route manages the account itself."""

    def __init__(self, scope: str | None, *, admin: bool = False) -> None:
        self.scope, self.admin = scope, admin

    async def __call__(self, request: Request) -> Caller:
        caller = await authenticated(request)
        if caller.scopes is not None and self.scope not in caller.scopes:
            needed = f"the scope {self.scope}" if self.scope else "a signed-in person, not an API key"
            raise Forbidden(f"This route needs {needed}.", code="insufficient_scope")
        if self.admin and caller.role != "admin":
            raise Forbidden("This route is for administrators.")
        return caller


AccountCaller = Annotated[Caller, Depends(CallerDependency(None))]
FilesCaller = Annotated[Caller, Depends(CallerDependency("files"))]

CallerOf = Callable[[Request], Awaitable[Caller]]
