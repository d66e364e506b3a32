"""Monitoring."""

from .probing import ProbingParts


class MonitoringParts(ProbingParts):
    pass
