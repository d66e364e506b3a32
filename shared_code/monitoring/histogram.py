"""Latencies in buckets of a fixed logarithmic scale: what an instance counts is added to what others count, and keeps its meaning.

A bucket is a quarter of an octave wide. A percentile is given as its bucket's geometric middle, so that it is at most ``ERROR``
(9.1 %) away from the sample that has that rank; under half a millisecond at most half a millisecond, and over 17 minutes it is 17 minutes.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping

FIRST, PER_OCTAVE, OCTAVES = 0.0005, 4, 21
BOUNDS = tuple(FIRST * 2 ** (step / PER_OCTAVE) for step in range(PER_OCTAVE * OCTAVES + 1))
"""Upper ends of the buckets, inclusive, in seconds: 0.5 ms to 17 minutes. One more bucket holds what is longer."""
ERROR = 2 ** (1 / PER_OCTAVE / 2) - 1
_OVER = len(BOUNDS)

Buckets = dict[int, int]
"""Bucket → how many; only those that are not empty."""


def bucket_of(seconds: float) -> int:
    return bisect_left(BOUNDS, seconds)


def add(into: Buckets, other: Mapping[int, int]) -> None:
    for bucket, count in other.items():
        into[bucket] = into.get(bucket, 0) + count


def percentile(buckets: Mapping[int, int], share: float) -> float | None:
    """Seconds that ``share`` (0–1) of the samples did not exceed (nearest rank); None where there are none."""
    total = sum(buckets.values())
    if not total:
        return None
    rank, seen = max(1, -int(-share * total // 1)), 0
    for bucket in sorted(buckets):
        seen += buckets[bucket]
        if seen >= rank:
            return middle(bucket)
    raise AssertionError("the ranks of a histogram end with its count")


def middle(bucket: int) -> float:
    """What stands for every sample of a bucket, in seconds."""
    if bucket == 0:
        return FIRST / 2
    if bucket >= _OVER:
        return BOUNDS[-1]
    return math.sqrt(BOUNDS[bucket - 1] * BOUNDS[bucket])


def cumulative(buckets: Mapping[int, int], *, every: int = PER_OCTAVE) -> list[tuple[float, int]]:
    """(upper end in seconds, how many are at most that), for every ``every``-th bound: what Prometheus calls ``le``."""
    found, count, position = [], 0, 0
    for index, bound in enumerate(BOUNDS):
        count += buckets.get(index, 0)
        if index == position:
            found.append((bound, count))
            position += every
    return found
