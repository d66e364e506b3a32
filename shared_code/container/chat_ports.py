"""What chat needs of the AI gateway and of files, as its ports name it."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from shared_code.chat.models import Usage
from shared_code.chat.ports import Answer, End, FileFacts, Image, ModelFacts, Payer, Prompt, Text, Turn
from shared_code.errors import Forbidden, NotConfigured, TooLarge

if TYPE_CHECKING:
    from shared_code.ai.models import Spender
    from shared_code.ai.streams import Stream

    from .chat import ChatParts


LARGE, LARGE_AT_ONCE = 1024 * 1024, 4
"""Bytes of images in a prompt, and how many such prompts of a process may wait for their answer to begin: until then each is in memory
four times over, up to 40 MiB."""


class GatewayAnswers:
    """Chat's port for models, kept by the gateway in this process."""

    def __init__(self, container: "ChatParts") -> None:
        self._container = container
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    async def model(self, name: str | None, payer: Payer | None = None) -> ModelFacts:
        limits = _spender(payer).limits if payer is not None else None
        try:
            found = await self._container.ai_directory.find(name, "chat", among=limits.models if limits is not None else None)
        except NotConfigured as error:
            raise NotConfigured(error.message, code="chat_not_configured") from None
        if limits is not None and limits.models is not None and found.name not in limits.models:
            raise Forbidden(f"This API key may not use the model {found.name}.", code="model_not_allowed")
        return ModelFacts(found.name, found.context_window, found.max_output_tokens, found.vision)

    async def ask(self, prompt: Prompt) -> Answer:
        size = sum(len(part.data) for turn in prompt.turns for part in turn.parts if isinstance(part, Image))
        if size <= LARGE:
            return await self._ask(prompt)
        async with self._large:
            return await self._ask(prompt)

    async def _ask(self, prompt: Prompt) -> Answer:
        body: dict[str, Any] = {"model": prompt.model, "messages": [_message(turn) for turn in prompt.turns]}
        if prompt.system:
            body["messages"].insert(0, {"role": "system", "content": prompt.system})
        if prompt.max_output_tokens is not None:
            body["max_completion_tokens"] = prompt.max_output_tokens
        return _GatewayAnswer(await self._container.ai.stream(_spender(prompt.payer), body))


class _GatewayAnswer:
    def __init__(self, stream: "Stream") -> None:
        self._stream = stream
        self._frames = stream.frames()

    async def texts(self) -> AsyncIterator[str]:
        stream = self._stream
        stream.watcher.keep_text()
        async for _ in self._frames:
            if text := stream.watcher.take_text():
                yield text
        if text := stream.watcher.take_text(last=True):
            yield text
        if stream.failure is not None:
            raise stream.failure

    async def close(self) -> End:
        stream = self._stream
        await self._frames.aclose()
        await stream.aclose()
        used = stream.usage
        usage = Usage(used.input_tokens, used.cached_tokens, used.output_tokens, stream.cost, used.estimated)
        return End(stream.watcher.finish_reason, stream.model.name, usage)


def _spender(payer: Payer) -> "Spender":
    from shared_code.ai.models import KeyLimits, Spender

    limits = KeyLimits.of(payer.key_limits) if payer.key_limits is not None else None
    return Spender(payer.user_id, payer.key_id, limits)


def _message(turn: Turn) -> dict[str, Any]:
    if all(isinstance(part, Text) for part in turn.parts):
        return {"role": turn.role, "content": "\n\n".join(part.text for part in turn.parts if isinstance(part, Text))}
    return {"role": turn.role, "content": [_part(part) for part in turn.parts]}


def _part(part: Text | Image) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    encoded = base64.b64encode(part.data).decode()
    return {"type": "image_url", "image_url": {"url": f"data:{part.content_type};base64,{encoded}"}}


class StoredFiles:
    """Chat's port for files: read from files' own rows and blobs, also where files runs as another app."""

    def __init__(self, container: "ChatParts") -> None:
        self._container = container

    async def look(self, owner_id: str, file_id: str) -> FileFacts:
        file = await self._container.files_records.get(owner_id, file_id, active=True)
        return FileFacts(file.id, file.filename, file.content_type, file.size)

    async def read(self, owner_id: str, file_id: str, *, limit: int) -> tuple[str, bytes]:
        from shared_code.files import downloads

        settings = self._container.settings
        file = await self._container.files_records.get(owner_id, file_id, active=True)
        chosen = downloads.choose(file, None, settings.files_container, settings.variants_container)
        if chosen.size > limit:
            raise TooLarge(f"{file.filename} has more than {limit} bytes.", code="attachment_too_large")
        chunks = await downloads.open_bytes(self._container.storage.blobs, chosen, downloads.Span(0, chosen.size, partial=False))
        return chosen.content_type, b"".join([chunk async for chunk in chunks])
