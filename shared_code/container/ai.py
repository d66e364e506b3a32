"""The AI gateway."""

from .inbox import InboxParts


class AiParts(InboxParts):
    pass
