"""Quantiles of a sample with a distribution-free confidence interval.

Of n independent values the number above the q-quantile is binomial (n, 1 - q), whatever their
distribution. So an order statistic bounds the quantile with a known confidence (David and Nagaraja,
Order Statistics, section 7.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Quantile", "needed", "quantile_of"]


@dataclass(frozen=True, slots=True)
class Quantile:
    """An estimate and its interval, in the unit of the values; a bound that so small a sample does
    not have is None."""

    estimate: float
    lower: float | None
    upper: float | None


def needed(share: float, confidence: float) -> int:
    """Return the smallest sample whose largest value is an upper bound of the quantile.

    Args:
        share: the quantile, between 0 and 1 (0.999 for p99.9).
        confidence: of the two-sided interval, between 0 and 1.
    """
    return math.ceil(math.log((1 - confidence) / 2) / math.log(share))


def quantile_of(ordered: Sequence[float], share: float, confidence: float) -> Quantile:
    """Return a quantile of a sample.

    Args:
        ordered: the values, ascending, at least one.
        share: the quantile, between 0 and 1.
        confidence: of the two-sided interval, between 0 and 1.

    Returns:
        The estimate (the smallest value with at least `share` of the sample at or below it) and an
        interval that covers the true quantile with at least this confidence.
    """
    n = len(ordered)
    rest = (1 - confidence) / 2
    above, below = _ranks(n, share, rest)
    estimate = ordered[max(0, math.ceil(share * n - 1e-9) - 1)]
    lower = None if below > n else ordered[n - below]
    upper = None if above < 0 else ordered[n - 1 - above]
    return Quantile(estimate, lower, upper)


def _ranks(n: int, share: float, rest: float) -> tuple[int, int]:
    """Count down from the largest value: how many may lie above the upper bound (-1 for none), and
    the place of the lower bound, from 1 (n + 1 for none)."""
    total, above = 0.0, -1
    for k in range(n + 1):
        # P(as many as k of the values lie above the quantile)
        total += math.exp(_log_chance(n, k, share))
        if total <= rest:
            above = k
        if 1 - total <= rest:
            # k + 1 or more lie above it so rarely that the value there is a lower bound
            return above, k + 1
    return above, n + 1


def _log_chance(n: int, k: int, share: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return ways + k * math.log1p(-share) + (n - k) * math.log(share)
