"""Chat."""

from .ai import AiParts


class ChatParts(AiParts):
    pass
