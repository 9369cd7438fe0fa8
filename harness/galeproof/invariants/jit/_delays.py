"""Delays before retries, by operation, batch and retry; and the figures that tell jitter.

S is the largest share of the delays inside any window of length tau, W the width from q10 to q90.
Noise that is independent of the delays can only lower S: what is wide was never made narrow.
"""

from __future__ import annotations

import bisect
import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from galeproof.invariants._case import Case
from galeproof.model.exchange import Exchange, Operation

__all__ = ["ENOUGH", "IMMEDIATE_S", "Delays", "Noise", "delays_of", "noise_of", "quantile", "refusals",
           "refused", "spread95"]

ENOUGH = 20
IMMEDIATE_S = 0.005
_BATCH = 30
_FLOOR_S = 0.005
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Noise:
    """How exact delays are here: ``spread_s`` of what should not vary, and the window ``tau_s``."""

    spread_s: float
    tau_s: float


@dataclass(frozen=True, slots=True)
class Delays:
    """The delays before one retry (``index`` from 1) in one batch of operations of one name.

    Attributes:
        group: Operation, start of the subject and status: delays of one policy only.
        batch: From 0, in the order of the operations' starts.
        raw: How many there were before those under a lag were left out.
        values: In s, ascending.
        evidence: The events that end the first few of them.
    """

    group: tuple[str, int, int]
    batch: int
    index: int
    raw: int
    values: tuple[float, ...]
    evidence: tuple[int, ...]

    @property
    def median_s(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    @property
    def width_s(self) -> float:
        """W: from q10 to q90."""
        return quantile(self.values, 0.9) - quantile(self.values, 0.1)

    def share(self, window_s: float) -> float:
        """S: the largest share inside any window of that length."""
        most, first = 0, 0
        for last, value in enumerate(self.values):
            while value - self.values[first] > window_s:
                first += 1
            most = max(most, last - first + 1)
        return most / len(self.values)


def quantile(ordered: Sequence[float], q: float) -> float:
    """Return a quantile of ascending values."""
    at = q * (len(ordered) - 1)
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def spread95(values: Sequence[float]) -> float:
    """Return the length of the shortest interval that holds 95 % of the values."""
    ordered = sorted(values)
    held = math.ceil(0.95 * len(ordered))
    if held < 2:
        return 0.0
    return min(b - a for a, b in zip(ordered, ordered[held - 1 :], strict=False))


def noise_of(case: Case) -> Noise:
    """Measure this run's noise: the world's own heartbeat, a client whose delay is fixed; and the
    time from a call to its first byte, of the operations that were retried."""
    return case.once("jitter noise", lambda: _noise(case))


def _noise(case: Case) -> Noise:
    beat = float(case.history.header.get("lag_p99_ms") or 0.0) / 1000
    calls = [(o.attempts[0].start_lo_ns - o.start.lo_ns) / 1e9
             for o, _ in refusals(case) if o.attempts[0].x is not None]
    spread = max(beat, spread95(calls))
    return Noise(spread, max(_FLOOR_S, 1.5 * spread))


def delays_of(case: Case, noise: Noise) -> list[Delays]:
    """Collect the delays of every retry that followed an answer without Retry-After.

    Args:
        case: What is judged.
        noise: A stamp made in a lag longer than its window is left out.
    """
    return case.once("delays", lambda: _delays(case, noise))


def _delays(case: Case, noise: Noise) -> list[Delays]:
    lags = _long_lags(case, noise.tau_s)
    groups: dict[tuple[str, int, int], list[list[tuple[Exchange, Exchange]]]] = {}
    for operation, pairs in refusals(case):
        instance = int(operation.start.data.get("instance") or 1)
        key = (operation.name, instance, pairs[0][0].status or 0)
        groups.setdefault(key, []).append(pairs)
    found = []
    for key, operations in groups.items():
        for number, batch in enumerate(_batches(operations)):
            # the first delay of a fresh process has the warming of its timers in it
            for index in range(2 if case.cold else 1, max(map(len, batch)) + 1):
                pairs = [pairs[index - 1] for pairs in batch if len(pairs) >= index]
                clean = [p for p in pairs if not any(_in_lag(lags, at) for at in (
                    p[0].end_hi_ns or 0, p[1].start_lo_ns))]
                found.append(Delays(
                    key, number, index, len(pairs),
                    tuple(sorted((b.start_lo_ns - (a.end_hi_ns or 0)) / 1e9 for a, b in clean)),
                    tuple(b.evidence[0] for _, b in clean[:5])))
    return found


def refusals(case: Case) -> list[tuple[Operation, list[tuple[Exchange, Exchange]]]]:
    """Return the operations that were refused and tried again, each with what ``refused`` gives."""
    return case.once("refusals", lambda: [(o, pairs) for o in case.sound() if (pairs := refused(o))])


def refused(operation: Operation) -> list[tuple[Exchange, Exchange]]:
    """Return the leading attempts that one and the same busy status answered, each with its successor.

    Delays after different failures, or under a Retry-After, may follow different rules.
    """
    pairs: list[tuple[Exchange, Exchange]] = []
    for first, second in itertools.pairwise(operation.attempts):
        if (not first.complete or first.status not in _BUSY or second.x is None
                or first.answer_header("retry-after") is not None
                or first.status != operation.attempts[0].status):
            break
        pairs.append((first, second))
    return pairs


def _batches(operations: list[list[tuple[Exchange, Exchange]]]
             ) -> list[list[list[tuple[Exchange, Exchange]]]]:
    """Cut operations, in the order of their starts, into batches of thirty; a rest too small to
    be judged joins the one before."""
    batches = [operations[at : at + _BATCH] for at in range(0, len(operations), _BATCH)]
    if len(batches) > 1 and len(batches[-1]) < ENOUGH:
        rest = batches.pop()
        batches[-1] = batches[-1] + rest
    return batches


def _long_lags(case: Case, tau_s: float) -> list[tuple[int, int]]:
    """The lags of the world's process, which makes the stamps; ascending, in ns."""
    return sorted((e.lo_ns, e.hi_ns) for e in case.history.of("lag")
                  if e.witness == "world" and e.data["ms"] > tau_s * 1000)


def _in_lag(lags: list[tuple[int, int]], at_ns: int) -> bool:
    found = bisect.bisect_right(lags, (at_ns, 1 << 63)) - 1
    return found >= 0 and at_ns <= lags[found][1]
