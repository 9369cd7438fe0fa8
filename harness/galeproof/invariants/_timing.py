"""Pass, grey and fail zones of elapsed time, and lag that taints a measurement.

A limit L passes up to L + max(0.25 s, 0.1 L) and fails beyond L + max(1 s, 0.5 L): a correct
0.5 s timeout overshot by 71 ms at most on a quiet machine of two cores, by 182 ms on a starved one.
"""

from __future__ import annotations

from galeproof.invariants._case import Case

__all__ = ["fail_beyond_s", "lagged_s", "pass_up_to_s"]


def pass_up_to_s(limit_s: float) -> float:
    """Return the end of the pass zone."""
    return limit_s + max(0.25, 0.1 * limit_s)


def fail_beyond_s(limit_s: float) -> float:
    """Return the start of the fail zone."""
    return limit_s + max(1.0, 0.5 * limit_s)


def lagged_s(case: Case, lo_ns: int, hi_ns: int) -> float:
    """Return how long heartbeats were late between two instants, in s (a lower bound of noise)."""
    return case.lags.within_ns(lo_ns, hi_ns) / 1e9
