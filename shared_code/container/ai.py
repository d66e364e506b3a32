"""The AI gateway."""

from .metering import MeteringParts


class AiParts(MeteringParts):
    pass
