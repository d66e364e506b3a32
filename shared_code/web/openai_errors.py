"""Errors in OpenAI's form, on the routes that its clients call: they read nothing else (SPEC §6). On the gateway's other routes it is a
member of the problem, so that a client reads errors of both the same way.

https://platform.openai.com/docs/guides/error-codes. The status and the headers are the same as everywhere.
"""

from collections.abc import Mapping
from typing import Any

from starlette.types import Scope

PREFIX, GATEWAY = "/api/ai/v1", "/api/ai/"
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def concerns(scope: Scope) -> bool:
    path = str(scope.get("path", ""))
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def beside(scope: Scope) -> bool:
    return str(scope.get("path", "")).startswith(GATEWAY)


def body(status: int, code: str, message: str, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """``extra``: a provider's own ``error`` is passed on as it is; ``param``, or the first place that broke a rule, becomes the param."""
    extra = extra or {}
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    if code == "insufficient_quota":
        kind = code  # so says OpenAI, and clients tell by it what waiting does not mend
    own = {"message": message, "type": kind, "code": code, "param": extra.get("param") or _place(extra.get("errors"))}
    theirs = extra.get("error")
    if not isinstance(theirs, Mapping):
        return {"error": own}
    return {"error": {**theirs, **{name: value for name, value in own.items() if theirs.get(name) is None}}}


def _place(errors: Any) -> str | None:
    """``body.messages`` is ``messages`` to OpenAI's clients."""
    for error in errors if isinstance(errors, list) else ():
        loc = [str(part) for part in error.get("loc", ())]
        if loc[:1] in (["body"], ["query"], ["path"]):
            loc = loc[1:]
        return ".".join(loc) or None
    return None
