"""What a caller asks: only what the gateway must know is read and checked, everything else goes through untouched.

A body is changed by its members' text, so that numbers, unknown fields and their order arrive as they were written.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from shared_code.errors import InvalidInput, InvalidRequest

from .models import Model, Operation

MOST_CHOICES = 128
"""OpenAI's limit of ``n``."""
_LIMITS = {"chat": ("max_completion_tokens", "max_tokens"), "responses": ("max_output_tokens",), "embeddings": ()}
_INPUT = {"chat": "messages", "responses": "input", "embeddings": "input"}
# Each needs what only a store of answers has; we promise none (SPEC §6: stateless).
_NEEDS_STORE = ("previous_response_id", "conversation", "background")


@dataclass(frozen=True, slots=True)
class Request:
    """``members``: the body's top level, read; ``texts``: the same as it was written."""

    operation: Operation
    members: Mapping[str, Any]
    texts: Mapping[str, str]

    @property
    def model(self) -> str | None:
        name: str | None = self.members.get("model")
        return name

    @property
    def stream(self) -> bool:
        return self.members.get("stream") is True

    @property
    def choices(self) -> int:
        return self.members.get("n") or 1

    @property
    def size(self) -> int:
        """Characters of the body, about."""
        return sum(map(len, self.texts.values()))

    @property
    def wants_usage(self) -> bool:
        """Whether the caller asked for the usage at the end of a stream."""
        options = self.members.get("stream_options")
        return isinstance(options, dict) and options.get("include_usage") is True

    @property
    def has_images(self) -> bool:
        found = self.members.get(_INPUT[self.operation])
        for message in found if isinstance(found, list) else ():
            content = message.get("content") if isinstance(message, dict) else None
            for part in content if isinstance(content, list) else ():
                if isinstance(part, dict) and part.get("type") in ("image_url", "input_image"):
                    return True
        return False

    def check_limits(self, model: Model) -> None:
        """Raises InvalidInput for a number of tokens that the model never makes."""
        for name in _LIMITS[self.operation]:
            value = self.members.get(name)
            if value is None:
                continue
            if type(value) is not int or value < 1:
                raise InvalidInput(f"{name} must be a whole number, 1 or more.", loc=("body", name))
            if value > model.max_output_tokens:
                message = f"{name} is too large: {model.name} makes at most {model.max_output_tokens} tokens."
                raise InvalidInput(message, loc=("body", name))

    @property
    def adds_usage(self) -> bool:
        """Whether it is we who ask for the usage at the end of the stream."""
        return self.stream and self.operation == "chat" and not self.wants_usage

    def bytes_for(self, model: Model, *, fallback: bool, usage: bool = True) -> bytes:
        """The body for this model's provider: its name there, the ``usage`` asked for, nothing stored. A ``fallback`` that makes
        fewer tokens than were asked for is asked for what it makes."""
        changed = {"model": json.dumps(model.deployment)}
        if usage and self.adds_usage:
            options = self.members.get("stream_options")
            changed["stream_options"] = json.dumps({**(options if isinstance(options, dict) else {}), "include_usage": True})
        if self.operation == "responses":
            changed["store"] = "false"
        if fallback:
            for name in _LIMITS[self.operation]:
                if (self.members.get(name) or 0) > model.max_output_tokens:
                    changed[name] = str(model.max_output_tokens)
        members = ",".join(f"{json.dumps(name)}:{text}" for name, text in {**self.texts, **changed}.items())
        return f"{{{members}}}".encode("utf-8", "replace")


def read(operation: Operation, raw: bytes) -> Request:
    """Raises InvalidRequest ``invalid_json`` for what is no JSON (RFC 8259, UTF-8), InvalidInput for what breaks a rule of ours.
    Nesting is the caller's to bound."""
    try:
        text = raw.decode("utf-8")
        start = _skip(text, 0)
        if text[start : start + 1] not in ("{", ""):
            _DECODER.decode(text)  # SPEC §1: 400 is for what is not JSON at all
            raise InvalidInput("The body must be a JSON object.", loc=("body",))
        members, texts = _members(text)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "it is not well-formed"
        raise InvalidRequest(f"The body is not a JSON object: {reason}.", code="invalid_json") from None
    return _checked(Request(operation, members, texts))


def of(operation: Operation, body: Mapping[str, Any]) -> Request:
    """The same of a body that is not JSON yet, for callers in this process. Raises InvalidInput."""
    return _checked(Request(operation, body, {name: json.dumps(value) for name, value in body.items()}))


def _checked(request: Request) -> Request:
    members, wanted = request.members, _INPUT[request.operation]
    for name, kind, what in (("model", str, "a text"), ("stream", bool, "true or false"), ("stream_options", dict, "an object")):
        if members.get(name) is not None and not isinstance(members[name], kind):
            raise InvalidInput(f"{name} must be {what}.", loc=("body", name))
    value = members.get(wanted)
    if request.operation == "chat":
        if not isinstance(value, list) or not value or not all(isinstance(message, dict) for message in value):
            raise InvalidInput("messages must be a list of one message or more.", loc=("body", wanted))
    elif not isinstance(value, str | list) and not (request.operation == "responses" and value is None and "prompt" in members):
        raise InvalidInput("input must be a text or a list.", loc=("body", wanted))
    choices = members.get("n")
    if choices is not None and (type(choices) is not int or not 1 <= choices <= MOST_CHOICES):
        raise InvalidInput(f"n must be a whole number from 1 to {MOST_CHOICES}.", loc=("body", "n"))
    if request.operation == "responses":
        for name in _NEEDS_STORE:
            if members.get(name) not in (None, False):
                message = f"{name} needs stored answers, which this gateway does not keep: send the earlier items in input."
                raise InvalidInput(message, loc=("body", name), code="unsupported_parameter")
    if request.operation == "embeddings" and request.stream:
        raise InvalidInput("Embeddings are not streamed.", loc=("body", "stream"))
    return request


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
_SPACE = re.compile(r"[ \t\n\r]*")
_MOST_MEMBERS = 1_000
"""Far more than any API has parameters; each costs a turn of a loop."""


def _members(text: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The top level of a JSON object: values, and their texts. Of a name that comes twice the last counts, as with most readers."""
    members: dict[str, Any] = {}
    texts: dict[str, str] = {}
    count = 0
    at = _skip(text, _expect(text, _skip(text, 0), "{"))
    while text[at : at + 1] != "}":
        if members:
            at = _skip(text, _expect(text, at, ","))
        name, at = _DECODER.raw_decode(text, at)
        if not isinstance(name, str):
            raise json.JSONDecodeError("a name must be a text", text, at)
        start = _skip(text, _expect(text, _skip(text, at), ":"))
        value, at = _DECODER.raw_decode(text, start)
        members[name], texts[name] = value, text[start:at]
        count += 1
        if count > _MOST_MEMBERS:
            raise json.JSONDecodeError(f"it has more than {_MOST_MEMBERS} members", text, at)
        at = _skip(text, at)
    if _skip(text, at + 1) != len(text):
        raise json.JSONDecodeError("there is more behind the object", text, at)
    return members, texts


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()


def _expect(text: str, at: int, mark: str) -> int:
    if text[at : at + 1] != mark:
        raise json.JSONDecodeError(f"{mark} is missing", text, at)
    return at + 1
