"""What a request may ask for that a model's three prices do not cover: a budget cannot be held to it, so that who has one may not have it.

Prices are for tokens of text: read, read from a cache, written. A provider's own tools are billed by the call and read what they find,
faster tiers cost a multiple, sound costs more than text, and some servers take another model, or its price, from a member of the body.
Sources: https://platform.openai.com/docs/pricing (tools, priority processing, audio), https://openrouter.ai/docs (models, plugins).
"""

from collections.abc import Iterator, Mapping
from typing import Any

OTHER_MODELS = ("models", "fallbacks")
"""Members in which some servers take names of further models."""
_MEMBERS = (*OTHER_MODELS, "web_search_options", "search_parameters", "plugins", "provider", "data_sources", "audio")
_TIERS = (None, "auto", "default", "flex")
"""``flex`` costs less; ``auto`` is what the project at the provider has been set to by whom it belongs to."""
_TOOLS = frozenset({"function", "custom", "local_shell", "apply_patch", "computer_use_preview"})
"""They run where the caller is."""
_SOUND = ("input_audio", "audio", "audio_url", "video_url", "input_video")


def unpriced(body: Mapping[str, Any]) -> str | None:
    """The first member of a body whose price is its own; None: tokens are all that is billed. A name that is not known passes."""
    for name in _MEMBERS:
        if body.get(name):
            return name
    if "web_search_options" in body and body["web_search_options"] is not None:
        return "web_search_options"  # also an empty one searches
    if body.get("service_tier") not in _TIERS:
        return "service_tier"
    modalities = body.get("modalities")
    if isinstance(modalities, list) and any(each != "text" for each in modalities):
        return "modalities"
    tools = body.get("tools")
    if isinstance(tools, list) and any(isinstance(each, dict) and each.get("type", "function") not in _TOOLS for each in tools):
        return "tools"
    for name in ("messages", "input"):
        if any(part.get("type") in _SOUND for part in parts(body.get(name))):
            return name
    return None


def parts(entries: Any) -> Iterator[Mapping[str, Any]]:
    """What messages, or the items of a response's input, consist of; the entries themselves among them."""
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict):
            yield entry
            for name in ("content", "output"):
                found = entry.get(name)
                for part in found if isinstance(found, list) else ():
                    if isinstance(part, dict):
                        yield part
