"""A person's signed-in devices over HTTP (SPEC §5). No API key sees or ends them."""

from fastapi import APIRouter, Request

from functions.dependencies import ContainerDep, Cursor, Limit, client_address
from shared_code.auth.recovery_schemas import SessionList, SessionResponse
from shared_code.storage import cursors
from shared_code.web.callers import AccountCaller


def add_routes(router: APIRouter) -> None:
    router.get("/api/auth/sessions", name="auth_list_sessions")(list_sessions)
    router.delete("/api/auth/sessions/{session_id}", name="auth_revoke_session", status_code=204)(revoke_session)
    router.delete("/api/auth/sessions", name="auth_revoke_sessions", status_code=204)(revoke_sessions)


async def list_sessions(caller: AccountCaller, container: ContainerDep, limit: Limit = 20, cursor: Cursor = None) -> SessionList:
    of = ("sessions", caller.user_id)
    sessions = await container.sessions.page(caller.user_id, after=cursors.decode(cursor, *of), limit=limit + 1)
    next_cursor = cursors.encode(sessions[limit - 1].id, *of) if len(sessions) > limit else None
    return SessionList(items=[SessionResponse.of(each, caller.session_id) for each in sessions[:limit]], next_cursor=next_cursor)


async def revoke_session(request: Request, session_id: str, caller: AccountCaller, container: ContainerDep) -> None:
    """Sign one device out: at once on this instance, within five seconds on every other."""
    await container.sessions.revoke(caller.user_id, session_id)
    await container.audit.record("session_revoked", user_id=caller.user_id, session_id=session_id, address=client_address(request))


async def revoke_sessions(request: Request, caller: AccountCaller, container: ContainerDep) -> None:
    """Sign every other device out."""
    ended = await container.sessions.end_all(caller.user_id, keep=caller.session_id)
    await container.audit.record("sessions_revoked", user_id=caller.user_id, sessions_ended=ended, address=client_address(request))
