"""What several timeout invariants share: tolerance, and how long a run was watched."""

from __future__ import annotations

from galeproof.invariants._case import Case
from galeproof.model.exchange import Operation

__all__ = ["tolerance_s", "watched_until_ns"]

_LATE_S = 0.05
_STARVED_S = 0.18  # what a correct client overshot by on a starved machine


def tolerance_s(case: Case) -> float:
    """Return how late an attempt may be seen that began in time, in s."""
    lag = float(case.history.header.get("lag_p99_ms") or 0.0) / 1000
    return max(_LATE_S, _STARVED_S + lag)


def watched_until_ns(case: Case, operation: Operation) -> int:
    """Return when watching an operation's instance ended: it was closed, or cut off.

    The instance stays open for the header's ``linger_s`` after its last operation.
    """
    instance = operation.start.data.get("instance")
    peers = [o for o in case.operations if o.start.data.get("instance") == instance]
    cut = [o.over_budget.lo_ns for o in peers if o.over_budget is not None]
    if cut:
        return min(cut)
    ends = [o.end.lo_ns for o in peers if o.end is not None]
    linger_ns = int(float(case.history.header.get("linger_s") or 0.0) * 1e9)
    return max(ends, default=operation.start.lo_ns) + linger_ns
