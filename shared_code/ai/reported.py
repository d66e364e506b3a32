"""What an answer says it took, in either of OpenAI's ways of saying it."""

from collections.abc import Mapping
from typing import Any

from .estimate import BYTES_PER_TOKEN
from .models import Usage


def reported(answer: Mapping[str, Any]) -> Usage | None:
    """From a chat completion, a chunk of one, a response or embeddings. None: it does not say, or says nothing at all (some servers
    send zeros, and no request takes none)."""
    usage = answer.get("usage")
    if not isinstance(usage, dict):
        return None
    inputs = _number(usage, "prompt_tokens", "input_tokens")
    outputs = _number(usage, "completion_tokens", "output_tokens")
    if inputs and outputs:
        # Some providers (xAI, Google) leave what was thought out of the answer's tokens, and have it in the total: it is billed as output.
        outputs = max(outputs, _number(usage, "total_tokens") - inputs)
    details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details")
    cached = _number(details, "cached_tokens") if isinstance(details, dict) else 0
    return Usage(inputs, min(cached, inputs), outputs) if inputs or outputs else None


def likely(before: Usage, worst: Usage, size: int, pieces: int) -> Usage:
    """An estimate for an answer of ``size`` bytes in ``pieces`` deltas, each of which is a token or more. ``before``: the estimate of
    the request alone."""
    tokens = max(-(-size // BYTES_PER_TOKEN), pieces) if size else 0
    return Usage(before.input_tokens, 0, min(tokens, worst.output_tokens), estimated=True)


def _number(found: Mapping[str, Any], *names: str) -> int:
    for name in names:
        value = found.get(name)
        if type(value) is int and value > 0:
            return value
    return 0
