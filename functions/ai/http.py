"""The AI gateway over HTTP (SPEC §6): OpenAI's routes, and the switch of a model."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from functions.dependencies import ContainerDep
from shared_code.ai import requests
from shared_code.ai.models import Operation
from shared_code.ai.schemas import ModelListResponse, ModelResponse, ModelSwitch
from shared_code.ai.service import Gateway, Whole
from shared_code.container import Container
from shared_code.web import json_body
from shared_code.web.callers import Caller, CallerDependency
from shared_code.web.endpoint import Endpoint
from shared_code.web.idempotency import HEADER, Idempotency
from shared_code.web.outgoing import Outgoing
from shared_code.web.sse import EventStream

from . import usage
from .spending import spender

router = APIRouter(tags=["ai"], route_class=Endpoint)

AiCaller = Annotated[Caller, Depends(CallerDependency("ai"))]
AdminCaller = Annotated[Caller, Depends(CallerDependency("ai", admin=True))]

LARGE_WITHIN = 120
"""Seconds that a client has to take an answer of megabytes: for so long it takes the room of others."""


def _openai(reference: str, stream: bool = True) -> dict[str, Any]:
    """What OpenAPI says of a route whose bodies are OpenAI's."""
    body = {"type": "object", "additionalProperties": True, "description": f"OpenAI's: {reference}"}
    events = {"text/event-stream": {"schema": {"type": "string"}}} if stream else {}
    return {
        "response_class": Response,
        "openapi_extra": {"requestBody": {"required": True, "content": {"application/json": {"schema": body}}}},
        "responses": {200: {"description": "OpenAI's answer", "content": {"application/json": {"schema": body}, **events}}},
    }


@router.post(
    "/api/ai/v1/chat/completions", name="ai_create_completion", **_openai("https://platform.openai.com/docs/api-reference/chat/create")
)
async def chat_completions(request: Request, caller: AiCaller, container: ContainerDep) -> Response:
    """A chat completion, in one piece or streamed. Tools, images and unknown fields go through to the model as they are."""
    return await _answer("chat", request, caller, container)


@router.post(
    "/api/ai/v1/responses", name="ai_create_response", **_openai("https://platform.openai.com/docs/api-reference/responses/create")
)
async def responses(request: Request, caller: AiCaller, container: ContainerDep) -> Response:
    """A response, in one piece or streamed. Nothing is stored: `store` is always false, and `previous_response_id` is refused."""
    return await _answer("responses", request, caller, container)


@router.post(
    "/api/ai/v1/embeddings",
    name="ai_create_embeddings",
    **_openai("https://platform.openai.com/docs/api-reference/embeddings/create", stream=False),
)
async def embeddings(request: Request, caller: AiCaller, container: ContainerDep) -> Response:
    """Vectors for one text or several."""
    return await _answer("embeddings", request, caller, container)


@router.get("/api/ai/v1/models", name="ai_list_models")
async def list_models(caller: AiCaller, container: ContainerDep) -> ModelListResponse:
    """The models that the caller may use, the default first. One that is out of service is listed as `disabled`."""
    return ModelListResponse.of([each for each in await container.ai_directory.all() if _may_use(caller, each.model.name)])


@router.get("/api/ai/v1/models/{model}", name="ai_get_model")
async def get_model(model: str, caller: AiCaller, container: ContainerDep) -> ModelResponse:
    """One model. 404 for one that the API key may not use."""
    return ModelResponse.of(await container.ai_directory.get(model if _may_use(caller, model) else ""))


@router.get("/api/ai/v1/models/{owner}/{model}", name="ai_get_model_of_owner")
async def get_model_of_owner(owner: str, model: str, caller: AiCaller, container: ContainerDep) -> ModelResponse:
    """The same for a name with a slash, such as `meta-llama/Llama-3.1-8B`: servers of one's own list them."""
    return await get_model(f"{owner}/{model}", caller, container)


@router.patch("/api/ai/models/{model}", name="ai_update_model")
async def update_model(model: str, body: ModelSwitch, caller: AdminCaller, container: ContainerDep) -> ModelResponse:
    """Take a model out of service, or back into it, everywhere within ten seconds. For administrators."""
    listed = await container.ai_directory.switch(model, enabled=body.enabled)
    await container.audit.record("ai_model_switched", user_id=caller.user_id, model=model, enabled=body.enabled)
    return ModelResponse.of(listed)


def _may_use(caller: Caller, model: str) -> bool:
    limits = spender(caller).limits
    return limits is None or limits.models is None or model in limits.models


async def _answer(operation: Operation, request: Request, caller: Caller, container: Container) -> Response:
    gateway = container.ai
    raw = await json_body.read_bytes(request, container.settings.ai_max_body_bytes)
    asked = _read(operation, raw) if len(raw) <= json_body.INLINE else await asyncio.to_thread(_read, operation, raw)
    key = request.headers.get(HEADER)
    if key is None or asked.stream:  # SPEC §1: streams are excepted
        return await _answered(gateway, caller, asked)
    idempotency: Idempotency = request.app.state.idempotency()
    return await idempotency.run(key, f"{caller.user_id}:ai_{operation}", raw, lambda: _answered(gateway, caller, asked))


def _read(operation: Operation, raw: bytes) -> requests.Request:
    json_body.check_depth(raw)
    return requests.read(operation, raw)


async def _answered(gateway: Gateway, caller: Caller, asked: requests.Request) -> Response:
    answer = await gateway.answer(spender(caller), asked)
    headers = {"X-Lydian-Model": answer.model.name}
    if isinstance(answer, Whole):
        headers |= {"Cache-Control": "no-store", "X-Lydian-Cost-Micro": str(answer.cost)}
        if not answer.held.size:
            return Response(answer.body, headers=headers, media_type="application/json")
        headers["Content-Length"] = str(len(answer.body))
        return Outgoing(_sent(answer), headers=headers, media_type="application/json", stalled=20, longest=LARGE_WITHIN)
    return EventStream(answer.frames(), close=answer.aclose, headers=headers)


async def _sent(answer: Whole) -> AsyncGenerator[bytes, None]:
    try:
        yield answer.body
    finally:
        answer.held.release()


usage.add_routes(router)
