"""Buckets: percentiles are as near to the exact ones as is promised, and sums of histograms are histograms of sums."""

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from shared_code.monitoring import histogram
from shared_code.monitoring.histogram import BOUNDS, ERROR, FIRST, bucket_of, cumulative, percentile

SECONDS = st.floats(min_value=0, max_value=BOUNDS[-1], allow_nan=False)


@given(st.lists(SECONDS, min_size=1, max_size=200), st.floats(min_value=0.001, max_value=1))
def test_percentiles_are_within_the_promised_error(samples: list[float], share: float) -> None:
    exact = sorted(samples)[max(1, math.ceil(share * len(samples))) - 1]
    found = percentile(Counter(map(bucket_of, samples)), share)
    assert found is not None
    assert abs(found - exact) <= max(exact * ERROR * (1 + 1e-9), FIRST / 2 if exact <= FIRST else 0)


@given(st.lists(SECONDS), st.lists(SECONDS))
def test_a_sum_is_as_if_counted_by_one(some: list[float], others: list[float]) -> None:
    buckets = dict(Counter(map(bucket_of, some)))
    histogram.add(buckets, Counter(map(bucket_of, others)))
    assert buckets == dict(Counter(map(bucket_of, some + others)))


@given(st.lists(st.floats(min_value=0, max_value=10_000, allow_nan=False)))
def test_cumulative_counts_what_is_at_most_each_bound(samples: list[float]) -> None:
    for bound, count in cumulative(Counter(map(bucket_of, samples))):
        assert count == sum(sample <= bound for sample in samples)


def test_ends_of_the_scale() -> None:
    assert percentile({}, 0.5) is None
    assert bucket_of(0.0005) == 0
    assert percentile({bucket_of(1e9): 3}, 0.5) == BOUNDS[-1]
    assert 1000 < BOUNDS[-1] < 1100
    assert round(ERROR, 3) == 0.091
