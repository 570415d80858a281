"""Medians, percentiles and interleaved pairs."""

import statistics
from collections.abc import Sequence

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """What several rounds gave; the distance of the extremes is what the machine's noise did."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Median and extremes."""
    return Spread(significant(statistics.median(values)), significant(min(values)), significant(max(values)))


def ratios(upper: Sequence[float], lower: Sequence[float]) -> list[float]:
    """Of each pair, in the order of measurement."""
    return [one / other for one, other in zip(upper, lower, strict=True)]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def significant(value: float) -> float:
    """Four digits are more than the noise allows."""
    return float(f"{value:.4g}")
