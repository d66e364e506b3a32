"""How many tokens a request may take at worst, and how many it is likely to have taken.

OpenAI's models, and nearly all others, read text by byte-level BPE: a token stands for one byte or more, so that **a text has at most as
many tokens as UTF-8 bytes**. That bound needs no vocabulary (tiktoken downloads its tables when it runs, and knows no model of anybody
else's). It is about four times what English text has; but input is cheap beside output, which is counted by the limit that the request
names, and both are capped by what the model takes at all. What is held too much comes back when the request ends.

Sources: https://github.com/openai/openai-cookbook (How to count tokens with tiktoken: what messages cost beyond their text),
https://platform.openai.com/docs/guides/images-vision#calculating-costs (images).
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from .models import Model, Usage
from .unpriced import parts

BYTES_PER_TOKEN = 4
"""Of ordinary text, for estimates of what was used."""
PER_MESSAGE = 16
"""Role, separators and the like: 3 or 4 tokens in what OpenAI has published; more for those who frame messages at length."""
PER_REQUEST = 64
"""What begins the answer, and the words around tools and answer formats."""
PER_TOOL = 32
IMAGE, IMAGE_OF_4O_MINI = 3_800, 48_200
"""Tokens of the largest image at the highest detail: 1,536 patches at most times 2.46 (gpt-4.1-nano), more than the 8 tiles of those that
count tiles (85 + 8 x 170); but gpt-4o-mini counts 2,833 + 8 x 5,667."""
LIKELY_IMAGE = 765
"""One of 1024 x 1024 at high detail, in tiles."""
MOST_CHOICES = 128
"""The largest ``n`` that OpenAI takes."""

_ELSEWHERE = ("file", "input_file", "item_reference")
"""Parts whose words are not in the body, or not as they will be read: addresses that the provider opens, and files that are packed."""


def worst_case(body: Mapping[str, Any], model: Model) -> Usage:
    """The most that the request can take of the model, whatever comes back: a chat completion, a response or embeddings.

    Malformed parts are counted by their size: it is for the upstream to refuse them. What has a price of its own is not in it: where
    there is a budget it is refused (``unpriced.py``).
    """
    if model.kind == "embedding":
        return Usage(_capped(_embedding_tokens(body.get("input")), body, model))
    entries, images, text = _read(body)
    tokens = PER_REQUEST + PER_MESSAGE * entries + images * _image_tokens(model) + text
    if _reads_elsewhere(body):
        tokens = model.context_window
    prediction = _bytes(body["prediction"]) if "prediction" in body else 0  # rejected words are billed as output
    choices = _count(body.get("n"), 1, MOST_CHOICES)
    output = min(_most_output(body, model), model.max_output_tokens, model.context_window)
    return Usage(min(tokens, model.context_window), 0, choices * output + prediction)


def estimated_usage(body: Mapping[str, Any], model: Model, output: str | int, *, pieces: int = 0) -> Usage:
    """What a request has likely taken whose upstream did not say. ``output``: its text, or that text's UTF-8 bytes; ``pieces``: how
    many deltas it came in, each of which is a token or more. Never more than the worst case."""
    worst = worst_case(body, model)
    if model.kind == "embedding":
        return Usage(min(worst.input_tokens, _tokens(_embedding_tokens(body.get("input")))), estimated=True)
    entries, images, text = _read(body)
    tokens = 3 + 4 * entries + LIKELY_IMAGE * images + _tokens(text)
    size = output if isinstance(output, int) else len(output.encode("utf-8", "replace"))
    return Usage(min(tokens, worst.input_tokens), 0, min(max(_tokens(size), pieces if size else 0), worst.output_tokens), estimated=True)


def _most_output(body: Mapping[str, Any], model: Model) -> int:
    """By the limits of the API that the body is of, and of both where it could be either: an upstream passes over what its API does not
    know. Of two limits of one API, whichever the upstream goes by."""
    found = 0
    for of_it, names in (("messages" in body, ("max_completion_tokens", "max_tokens")), ("input" in body, ("max_output_tokens",))):
        limits = [body.get(name) for name in names] if of_it else []
        named = [limit for limit in limits if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0]
        if of_it:
            found = max(found, max(named, default=model.max_output_tokens))
    return found or model.max_output_tokens


def _read(body: Mapping[str, Any]) -> tuple[int, int, int]:
    """Messages and tools, images, and bytes of text: of every member, since servers read some that we do not know of."""
    entries = images = text = 0
    for name, value in body.items():
        if not isinstance(value, str | list | dict):
            continue
        if name in ("messages", "input") and isinstance(value, list):
            entries += len(value)
        if name in ("tools", "functions") and isinstance(value, list):
            entries += len(value) * (PER_TOOL // PER_MESSAGE)
        if name in ("messages", "input"):
            value, seen = _without_images(value)
            images += seen
        text += _bytes(value)
    return entries, images, text


def _without_images(entries: Any) -> tuple[Any, int]:
    """Messages without the addresses or data of their images, which are not read as text, and how many images there are. What looks
    like one elsewhere, in a tool's schema say, is text. The data may be megabytes: it is not looked at."""
    if not isinstance(entries, list):
        return entries, 0
    count, found = 0, []

    def stripped(part: Any) -> Any:
        nonlocal count
        if not isinstance(part, dict) or part.get("type") not in ("image_url", "input_image"):
            return part
        count += 1
        image = part.get("image_url")
        if isinstance(image, dict) and isinstance(image.get("url"), str):
            return {**part, "image_url": {**image, "url": ""}}
        return {**part, "image_url": ""} if isinstance(image, str) else part

    for entry in map(stripped, entries):
        if isinstance(entry, dict):
            lists = {name: entry[name] for name in ("content", "output") if isinstance(entry.get(name), list)}
            found.append({**entry, **{name: list(map(stripped, each)) for name, each in lists.items()}})
        else:
            found.append(entry)
    return found, count


def _reads_elsewhere(body: Mapping[str, Any]) -> bool:
    """Whether the provider reads what is not in the body. A window's worth at most, as of any input."""
    return bool(body.get("prompt")) or any(
        part.get("type") in _ELSEWHERE for name in ("messages", "input") for part in parts(body.get(name))
    )


def _bytes(value: Any) -> int:
    """UTF-8 bytes of what the model may read of it: at most as JSON, with its names and marks."""
    return len(json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "replace"))


def _embedding_tokens(value: Any) -> int:
    """At most: texts by their bytes; tokens, which may stand in place of texts, are counted as they are."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace")) + 1
    if not isinstance(value, Sequence):
        return _bytes(value)
    if all(isinstance(each, int) for each in value):
        return len(value)
    return sum(_embedding_tokens(each) if isinstance(each, str | list) else _bytes(each) for each in value)


def _capped(tokens: int, body: Mapping[str, Any], model: Model) -> int:
    """No text of a request is longer than the window."""
    value = body.get("input")
    texts = len(value) if isinstance(value, list) and not all(isinstance(each, int) for each in value) else 1
    return min(tokens, texts * model.context_window)


def _tokens(size: int) -> int:
    return -(-size // BYTES_PER_TOKEN)


def _count(value: Any, default: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        return default
    return min(math.ceil(min(value, most)), most)


def _image_tokens(model: Model) -> int:
    return IMAGE_OF_4O_MINI if any("4o-mini" in name for name in (model.name, model.deployment)) else IMAGE
