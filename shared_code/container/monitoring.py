"""Monitoring."""

from .figures import FiguresParts


class MonitoringParts(FiguresParts):
    pass
