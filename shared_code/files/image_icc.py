"""Tells whether an ICC profile is sRGB, by its numbers: many sRGB profiles in the wild bear other names ("c2", "Display")."""

import math
import struct
from itertools import pairwise

_COLOURS = {b"rXYZ": (0.4360, 0.2225, 0.0139), b"gXYZ": (0.3851, 0.7169, 0.0971), b"bXYZ": (0.1431, 0.0606, 0.7141)}
"""sRGB primaries adapted to D50, the profile connection space (ICC.1:2022 and IEC 61966-2-1)."""
_COLOUR_TOLERANCE = 0.004
_CURVE_TOLERANCE = 0.006
_PROBES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9)
_PARAMETERS = {0: 1, 1: 3, 2: 4, 3: 5, 4: 7}
_DEFAULTS = [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]


def is_srgb(profile: bytes) -> bool:
    """False for anything else, a grey profile or one that cannot be read included."""
    try:
        if profile[16:20] != b"RGB " or profile[12:16] not in (b"mntr", b"spac"):
            return False
        tags = _tags(profile)
        if b"A2B0" in tags:  # a look-up table wins over the matrix
            return False
        return all(_near_colour(tags[name], want) for name, want in _COLOURS.items()) and all(
            abs(_curve(tags[name], x) - _srgb(x)) <= _CURVE_TOLERANCE for name in (b"rTRC", b"gTRC", b"bTRC") for x in _PROBES
        )
    except (KeyError, IndexError, ValueError, ArithmeticError, struct.error):
        return False


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    found = {}
    for index in range(min(count, 100)):
        name, offset, size = struct.unpack_from(">4sII", profile, 132 + 12 * index)
        found[name] = profile[offset : offset + size]
    return found


def _near_colour(tag: bytes, want: tuple[float, ...]) -> bool:
    values = struct.unpack_from(">3i", tag, 8)
    return all(abs(value / 65536 - target) <= _COLOUR_TOLERANCE for value, target in zip(values, want, strict=True))


def _srgb(x: float) -> float:
    return x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4


def _curve(tag: bytes, x: float) -> float:
    """The tone curve's value at ``x``: types ``curv`` and ``para`` of ICC.1:2022, 10.6 and 10.18."""
    if tag[:4] == b"para":
        return _parametric(tag, x)
    if tag[:4] != b"curv":
        raise ValueError
    (count,) = struct.unpack_from(">I", tag, 8)
    if count == 0:
        return x
    if count == 1:
        return float(x ** (struct.unpack_from(">H", tag, 12)[0] / 256))
    place = x * (count - 1)
    low = min(int(place), count - 2)
    first, second = struct.unpack_from(">2H", tag, 12 + 2 * low)
    return float(first + (second - first) * (place - low)) / 65535


def _parametric(tag: bytes, x: float) -> float:
    (kind,) = struct.unpack_from(">H", tag, 8)
    values: list[float] = [value / 65536 for value in struct.unpack_from(f">{_PARAMETERS[kind]}i", tag, 12)]
    g, a, b, c, d, e, f = values + _DEFAULTS[len(values) :]
    if kind in (1, 2):
        return _power(a * x + b, g) + c if x >= -b / a else c
    return _power(a * x + b, g) + e if x >= d else c * x + f


def _power(base: float, exponent: float) -> float:
    return math.pow(max(base, 0.0), exponent)


def assemble(chunks: list[tuple[int, int, bytes]]) -> bytes | None:
    """The profile of a JPEG's APP2 chunks ``(number, count, bytes)``; None where one is missing (ICC.1:2022, B.4)."""
    if not chunks:
        return None
    ordered = sorted(chunks)
    numbers = [number for number, _, _ in ordered]
    if ordered[0][1] != len(ordered) or numbers[0] != 1 or any(second - first != 1 for first, second in pairwise(numbers)):
        return None
    return b"".join(data for _, _, data in ordered)
