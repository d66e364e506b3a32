"""What goes by in a stream: which frames the client gets, how the answer ends, what it took. Nothing is rewritten but what a provider's
error says of the operator's account."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared_code.errors import LydianError

from .frames import DONE, Splitter, data_of, event, object_of
from .models import Usage
from .redaction import redacted, redacted_frame
from .reported import reported


@dataclass(slots=True)
class Passed:
    """``now`` goes to the client at once; ``last`` when the request has been settled, and nothing comes behind it."""

    now: bytes = b""
    last: bytes | None = None


_SHOWN = ("content", "refusal")
"""Who declines says so in a member of its own, and nothing else."""


class Watcher(ABC):
    """``failed``: the provider ended its stream with an error, which is among ``last``."""

    def __init__(self) -> None:
        self._splitter = Splitter()
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self.failed: Mapping[str, Any] | None = None
        self.size = self.pieces = 0
        """UTF-8 bytes, and deltas, of what was generated."""
        self._text: list[str] | None = None

    def keep_text(self) -> None:
        """From now on ``take_text`` has what was said."""
        self._text = []

    def take_text(self, *, last: bool = False) -> str:
        """What was said since it was last asked, as text that can be stored and sent. ``last``: nothing more comes."""
        text = "".join(self._text or ())
        self._text = []
        return text if text.isascii() else self._whole(text, last=last)

    def _whole(self, text: str, *, last: bool) -> str:
        """Servers that cut their text in UTF-16 escape the halves of a pair (an emoji's) in two deltas: the first waits for the second. A
        half that stays alone is no character, and no UTF-8 can be made of it."""
        if not last and "\ud800" <= text[-1] <= "\udbff":
            self._text = [text[-1]]
            text = text[:-1]
        try:
            text.encode()
        except UnicodeEncodeError:
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return text

    def feed(self, chunk: bytes) -> Passed:
        """Raises ``frames.TooLong``."""
        passed: list[bytes] = []
        for frame in self._splitter.feed(chunk):
            verdict = self._look(frame)
            if isinstance(verdict, Passed):
                return Passed(b"".join(passed), verdict.last)
            if verdict:
                passed.append(frame)
        return Passed(passed[0] if len(passed) == 1 else b"".join(passed))

    @abstractmethod
    def end(self) -> bytes | None:
        """The provider's stream has ended by itself: what is still to be said, or None when it ended too early."""

    @abstractmethod
    def error(self, error: LydianError) -> bytes:
        """The terminal event of a stream that fails."""

    @abstractmethod
    def _look(self, frame: bytes) -> bool | Passed:
        """Whether the client gets this frame; Passed when it is the last one."""

    def _said(self, text: Any, *, shown: bool = True) -> None:
        if isinstance(text, str) and text:
            self.size += len(text.encode("utf-8", "replace"))
            self.pieces += 1
            if shown and self._text is not None:
                self._text.append(text)


class ChatWatcher(Watcher):
    """``hide_usage``: it was us who asked for the usage, so that its chunk is not for the client. ``choices``: how many were asked for."""

    def __init__(self, *, hide_usage: bool, choices: int = 1) -> None:
        super().__init__()
        self._hide_usage, self._choices = hide_usage, choices
        self._finished = set[int]()

    def end(self) -> bytes | None:
        # Some servers send no [DONE]; one that has not given a reason to finish for each choice was cut off.
        rest = self._splitter.rest.strip()
        return DONE if rest == b"data: [DONE]" or (not rest and len(self._finished) >= self._choices) else None

    def error(self, error: LydianError) -> bytes:
        return event("error", {"error": error_object(error)})

    def _look(self, frame: bytes) -> bool | Passed:
        data = data_of(frame)
        if not data:
            return True
        if data.strip() == b"[DONE]":
            return Passed(last=frame)
        chunk = object_of(data)
        if chunk is None:
            return True
        if chunk.get("error"):
            error = chunk["error"]
            self.failed = redacted(error if isinstance(error, dict) else {"message": str(error)})
            return Passed(last=redacted_frame(frame))
        usage = reported(chunk)
        if usage is not None:
            self.usage = usage
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            self._choice(choice)
        # Azure's first chunk has no choices either, but says what its filters think of the prompt.
        return bool(choices) or usage is None or not self._hide_usage

    def _choice(self, choice: Any) -> None:
        if not isinstance(choice, dict):
            return
        index = choice.get("index")
        first = not index  # who makes one only may leave it out
        reason = choice.get("finish_reason")
        if isinstance(reason, str):
            self._finished.add(index if type(index) is int else 0)
            if first or self.finish_reason is None:
                self.finish_reason = reason
        delta = choice.get("delta")
        for name, value in delta.items() if isinstance(delta, dict) else ():
            if name == "tool_calls":
                for call in value if isinstance(value, list) else ():
                    function = call.get("function") if isinstance(call, dict) else None
                    if isinstance(function, dict):
                        self._said(f"{function.get('name') or ''}{function.get('arguments') or ''}", shown=False)
            elif name != "role":
                for text in _texts(value):
                    self._said(text, shown=first and name in _SHOWN)


class ResponsesWatcher(Watcher):
    """Events of the Responses API: each stream ends with one that holds the whole response."""

    _ENDS = ("response.completed", "response.incomplete", "response.failed")

    def __init__(self) -> None:
        super().__init__()
        self._sequence = -1

    def end(self) -> bytes | None:
        return None

    def error(self, error: LydianError) -> bytes:
        """As the API's own ``error`` event, and as clients know it from the other routes."""
        found = error_object(error)
        own = {"type": "error", "sequence_number": self._sequence + 1, **{name: found[name] for name in ("code", "message", "param")}}
        return event("error", {**own, "error": found})

    def _look(self, frame: bytes) -> bool | Passed:
        data = data_of(frame)
        found = object_of(data) if data else None
        if found is None:
            return data.strip() != b"[DONE]"
        kind = found.get("type")
        if type(found.get("sequence_number")) is int:
            self._sequence = found["sequence_number"]
        if isinstance(kind, str) and kind.endswith(".delta"):
            self._said(found.get("delta"), shown=kind == "response.output_text.delta")
        elif kind in self._ENDS:
            response = found.get("response")
            if isinstance(response, dict):
                self.usage = reported(response) or self.usage
                self.finish_reason = str(response.get("status"))
                if kind == "response.failed":
                    error = response.get("error")
                    self.failed = redacted(error) if isinstance(error, dict) else {}
                    return Passed(last=redacted_frame(frame))
            return Passed(last=frame)
        elif kind == "error":
            own = found.get("error")  # OpenAI says it both ways
            self.failed = redacted({name: (own if isinstance(own, dict) else found).get(name) for name in ("message", "code", "param")})
            return Passed(last=redacted_frame(frame))
        return True


def _texts(value: Any) -> Iterator[Any]:
    """A delta's text; also where it is a list of parts (Mistral's models that reason send one)."""
    for each in value if isinstance(value, list) else (value,):
        yield each.get("text") if isinstance(each, dict) else each


def error_object(error: LydianError) -> dict[str, Any]:
    """A failure in a stream, in OpenAI's form; the provider's own words where it has said any."""
    own = {"message": error.message, "type": "server_error", "code": error.code, "param": None}
    theirs = error.extra.get("error")
    return {**own, **{name: value for name, value in theirs.items() if value is not None}} if isinstance(theirs, dict) else own
