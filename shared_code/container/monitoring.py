"""Monitoring."""

from .chat import ChatParts


class MonitoringParts(ChatParts):
    pass
