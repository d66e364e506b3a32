"""The demo's questions to a model: about the photo, through the gateway, and in a conversation that remembers it."""

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from .demo_payments import wait_for

QUESTION = "What is in this photo? One sentence, please."
INDENT = " " * 5
_LARGEST = 700_000
"""Bytes of an image that still fit into a body of AI_MAX_BODY_BYTES (1 MiB) as base64."""


class Words:
    """Prints a streamed text as it comes, broken between words."""

    def __init__(self) -> None:
        self._width = min(shutil.get_terminal_size().columns, 110)
        self._word, self._column = "", 0

    def add(self, text: str) -> None:
        for character in text:
            if not character.isspace():
                self._word += character
                continue
            self._flush()
            if character == "\n" and self._column:
                self._column = self._width

    def end(self) -> None:
        self._flush()
        print(flush=True)

    def _flush(self) -> None:
        if not self._word:
            return
        if self._column + len(self._word) + 1 > self._width or not self._column:
            print(("\n" if self._column else "") + INDENT + self._word, end="", flush=True)
            self._column = len(INDENT) + len(self._word)
        else:
            print(" " + self._word, end="", flush=True)
            self._column += len(self._word) + 1
        self._word = ""


@contextmanager
def stream(client: httpx.Client, path: str, body: Any) -> Iterator[Iterator[tuple[str, Any]]]:
    """Post, and read the answer's events as they come: (name, data). Raises HTTPStatusError."""
    with client.stream("POST", path, json=body) as answer:
        if answer.is_error:
            answer.read()
        answer.raise_for_status()
        yield events(answer.iter_lines())


def events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    """Server-sent events whose data is JSON; comments and `[DONE]` are left out."""
    name = "message"
    for line in lines:
        if line.startswith("event:"):
            name = line.removeprefix("event:").strip()
        elif line.startswith("data:") and (data := line.removeprefix("data:").strip()) != "[DONE]":
            yield name, json.loads(data)
        elif not line:
            name = "message"


def spent(client: httpx.Client) -> str:
    """US dollars that this user's questions have cost so far."""
    found = client.get("/api/ai/usage").raise_for_status().json()
    return f"{found['budget']['spent']:.6f}"


def ask_about_photo(client: httpx.Client, file: Any, number: int, step: Callable[[str], None]) -> None:
    models = client.get("/api/ai/v1/models")
    if models.status_code == 503:
        step(f"{number}. No model is configured here: nothing is asked.")
        return
    model = models.raise_for_status().json()["data"][0]["id"]
    variants = file["image"]["variants"]
    variant = "optimized" if variants["optimized"]["size"] <= _LARGEST else "thumbnail"
    image = client.get(f"/api/files/{file['id']}", params={"variant": variant}).raise_for_status()
    url = f"data:{image.headers['content-type']};base64,{base64.b64encode(image.content).decode()}"
    content = [{"type": "text", "text": QUESTION}, {"type": "image_url", "image_url": {"url": url}}]
    step(f"{number}. Asked {model} about the photo ({variant}): {QUESTION}")
    words = Words()
    body = {"model": model, "stream": True, "max_tokens": 300, "messages": [{"role": "user", "content": content}]}
    with stream(client, "/api/ai/v1/chat/completions", body) as found:
        for _, chunk in found:
            if "error" in chunk:
                raise SystemExit(f"The answer was cut off: {chunk['error']['message']}")
            for choice in chunk["choices"]:
                words.add(choice["delta"].get("content") or "")
    words.end()
    step(f"   It cost {settled(client, '0')} USD.")


def settled(client: httpx.Client, before: str) -> str:
    """What has been spent, once it is more than ``before``: an answer is settled a moment after its last byte."""
    return str(wait_for(lambda: now if (now := spent(client)) != before and float(now) else None) or before)


def talk(client: httpx.Client, file: Any, number: int, step: Callable[[str], None]) -> None:
    conversation = client.post("/api/chat/conversations", json={})
    if conversation.status_code == 503:
        step(f"{number}. No model is configured here: nobody to talk to.")
        return
    path = f"/api/chat/conversations/{conversation.raise_for_status().json()['id']}"
    step(f"{number}. A conversation, with the photo attached: Tell me a story about it.")
    words, before = Words(), spent(client)
    with stream(client, f"{path}/messages", {"content": "Tell me a story about it.", "attachments": [file["id"]]}) as found:
        for name, data in found:
            if name == "delta":
                words.add(data["text"])
            elif name == "error":
                raise SystemExit(f"The answer failed: {data['problem']['detail']}")
    words.end()
    title = wait_for(lambda: client.get(path).raise_for_status().json()["title"])
    step(f"   It is called {title!r} now; {settled(client, before)} USD spent in all.")
