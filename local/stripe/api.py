"""A request of the API, from its key to its answer: authentication, parameters, idempotency, the transaction."""

import asyncio
import base64
import hashlib
import json
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import timeline
from .errors import StripeError, invalid
from .faults import Fault, Faults, refusal
from .params import Given, Params, decode, validate
from .routes import find
from .store import Object
from .views import expand
from .world import API_VERSION, World, render

KEPT = 86400  # seconds that an idempotency key is remembered
_LONGEST_KEY = 255

pause = asyncio.sleep  # tests put something else in its place


@dataclass(frozen=True)
class Request:
    """`headers` by lower-case name; `query` and `body` as they came."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    fault: Fault | None = None  # what is to become of it on its way


class Api:
    def __init__(self, world: World, faults: Faults, secret_key: str | None) -> None:
        self._world = world
        self._faults = faults
        self._key = secret_key
        self._running: set[str] = set()

    async def answer(self, request: Request) -> Answer:
        request_id = self._world.store.new_id("req", 14)
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        headers = {"content-type": "application/json", "request-id": request_id, "stripe-version": API_VERSION}
        if key is not None:
            headers |= {"idempotency-key": key, "original-request": request_id}
        fault = self._faults.take(request.method, request.path)
        try:
            self._authenticate(request)
            if fault is not None and fault.kind == "slow" and not key:
                await pause(fault.seconds)
            if fault is not None and fault.kind in ("429", "500") and not fault.after:
                raise refusal(fault)
            if fault is not None and fault.kind == "down" and not fault.after:
                return Answer(500, b"", {}, fault)
            status, body, extra = await self._carry_out(request, request_id, key, fault)
            if fault is not None and fault.kind == "500":
                raise refusal(fault)
        except StripeError as error:
            return Answer(error.status, as_json(error.body(request_id)), headers, fault)
        return Answer(status, body, headers | extra, fault)

    def _authenticate(self, request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        key = given.strip()
        if scheme.lower() == "basic":
            try:
                key = base64.b64decode(key).decode().partition(":")[0]
            except ValueError:
                key = ""
        if scheme.lower() not in ("bearer", "basic") or not key:
            raise StripeError(
                401,
                "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. "
                "'Authorization: Bearer YOUR_SECRET_KEY').",
            )
        if not key.startswith("sk_test_") if self._key is None else key != self._key:
            raise StripeError(401, f"Invalid API Key provided: {key[:8]}{'*' * 12}{key[-4:]}")

    async def _carry_out(
        self, request: Request, request_id: str, key: str | None, fault: Fault | None
    ) -> tuple[int, bytes, dict[str, str]]:
        found = find(request.method, request.path)
        if found is None:
            raise StripeError(
                404,
                f"Unrecognized request URL ({request.method}: {request.path}). Please see https://stripe.com/docs or we can help at "
                "https://support.stripe.com/.",
            )
        route, ids = found
        raw = self._raw(request)
        if key is None:
            return self._execute(route.handler, Given(validate(raw, route.params)), ids, request_id, None)
        if not 0 < len(key) <= _LONGEST_KEY:
            raise invalid(f"Invalid idempotency key: it must have 1 to {_LONGEST_KEY} characters.")
        if key in self._running:
            raise StripeError(
                409,
                "There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and "
                f"the other request is still going through): {key}. Please try again later.",
                code="idempotency_key_in_use",
            )
        digest = hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()
        kept = self._world.store.peek("_idempotency", key)
        if kept is not None and kept["at"] > self._world.now() - KEPT:
            return _replay(kept, request.path, digest, key)
        params = Given(validate(raw, route.params))
        self._running.add(key)
        try:
            if fault is not None and fault.kind == "slow":
                await pause(fault.seconds)
            return self._execute(route.handler, params, ids, request_id, {"id": key, "path": request.path, "digest": digest})
        finally:
            self._running.discard(key)

    @staticmethod
    def _raw(request: Request) -> Params:
        if request.method == "POST" and request.body:
            kind = request.headers.get("content-type", "").partition(";")[0].strip()
            if kind != "application/x-www-form-urlencoded":
                raise invalid(f"Invalid request (check that your POST content type is application/x-www-form-urlencoded): it is {kind}.")
        return decode("&".join(part for part in (request.query, request.body.decode("utf-8", "replace")) if part))

    def _execute(
        self, handler: Any, params: Given, ids: tuple[str, ...], request_id: str, record: Object | None
    ) -> tuple[int, bytes, dict[str, str]]:
        """In one transaction; what it answers is remembered in the same, or after its undoing."""
        world = self._world
        world.store.rollback()  # should a request before have failed in a way that nobody foresaw
        world.begin(None, None)
        timeline.catch_up(world)
        world.begin(request_id, record["id"] if record else None)
        failure: StripeError | None = None
        try:
            paths = params.pop("expand", [])
            shown = render(handler(world, params, *ids))
            if ignored := params.unseen():
                raise invalid(f"Stripe knows the parameter `{ignored[0]}` here, but its stand-in does not.", ignored[0])
            status, body = 200, as_json(expand(world, shown, paths))
        except StripeError as error:
            failure, status, body = error, error.status, as_json(error.body(request_id))
            if not error.keep:
                world.store.rollback()
        except Exception:
            world.store.rollback()
            traceback.print_exc()
            raise StripeError(500, "The stand-in has failed; its log says how.", type="api_error") from None
        if record is not None:
            world.store.add("_idempotency", {**record, "at": world.now(), "status": status, "body": body.decode(), "request": request_id})
        world.store.commit()
        if failure is not None:
            raise failure
        return status, body, {}


def _replay(kept: Object, path: str, digest: str, key: str) -> tuple[int, bytes, dict[str, str]]:
    hint = f"Try using a key other than '{key}' if you meant to execute a different request."
    if kept["path"] != path:
        message = (
            f"Keys for idempotent requests can only be used for the same endpoint they were first used for ('{path}' vs '{kept['path']}'). "
        )
        raise StripeError(400, message + hint, type="idempotency_error")
    if kept["digest"] != digest:
        message = "Keys for idempotent requests can only be used with the same parameters they were first used with. "
        raise StripeError(400, message + hint, type="idempotency_error")
    return kept["status"], kept["body"].encode(), {"idempotent-replayed": "true", "original-request": kept["request"]}


def as_json(answer: Any) -> bytes:
    return json.dumps(answer, indent=2).encode()
