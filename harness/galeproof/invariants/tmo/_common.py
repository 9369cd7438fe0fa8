"""What several timeout invariants share: tolerance, and how long a run was watched."""

from __future__ import annotations

from galeproof.invariants._case import Case
from galeproof.model.exchange import Operation

__all__ = ["instance_of", "tolerance_s", "watched_until_ns"]

_STARVED_S = 0.18  # what a correct client overshot by on a starved machine


def tolerance_s(case: Case) -> float:
    """Return how late an attempt may be seen that began in time, in s."""
    lag = float(case.history.header.get("lag_p99_ms") or 0.0) / 1000
    return _STARVED_S + lag


def watched_until_ns(case: Case) -> dict[int, int]:
    """Return when watching each instance ended, in ns: it was closed, or cut off.

    An instance stays open for the header's ``linger_s`` after its last operation.
    """
    linger_ns = int(float(case.history.header.get("linger_s") or 0.0) * 1e9)
    ends: dict[int, int] = {}
    cuts: dict[int, int] = {}
    for operation in case.operations:
        instance = instance_of(operation)
        last = operation.end.lo_ns if operation.end is not None else operation.start.lo_ns
        ends[instance] = max(ends.get(instance, 0), last)
        if operation.over_budget is not None:
            cut = operation.over_budget.lo_ns
            cuts[instance] = min(cuts.get(instance, cut), cut)
    return {instance: cuts.get(instance, end + linger_ns) for instance, end in ends.items()}


def instance_of(operation: Operation) -> int:
    """Return which start of the subject an operation belongs to, from 1."""
    return int(operation.start.data.get("instance") or 1)
