"""RTY001 retry-cap."""

from __future__ import annotations

import itertools

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller, transient
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["RTY001"]

_TELL = Teller("RTY001", "retry-cap", "major", "attempts")
_UNDECLARED = 5
_RUNAWAY = 50
_MEND = "count attempts, the first included, and stop at the declared maximum"


def check(case: Case) -> Verdict:
    """RTY001 retry-cap.

    What it does: counts the attempts of an operation on the wire while the provider goes on
    failing. They must not exceed the declared maximum; where none is declared, 5.

    Why it is bad: retries multiply the load on a provider that is down already.

    Example: ``while True`` around a call; ``<=`` for ``<``.

    Use instead: ``stop_after_attempt(3)``, ``Retry(total=2)``.

    When it is unknown: no operation failed twice (not_exercised); an operation was still going,
    below the cap, when the observation ended (budget_exhausted).

    References: gRFC A6 (at most 5); botocore standard mode (3); AWS REL05-BP03.
    """
    cap = case.profile.max_attempts or _UNDECLARED
    counted = [(o, _count(o)) for o in case.sound() if o.cancel is None and _failing(o, cap)]
    if not counted:
        return _TELL.unknown(case, case.doubt(), limit=cap)
    most = max(n for _, n in counted)
    over = [(o, n) for o, n in counted if n > cap]
    if over:
        findings = [Finding(o.ref, _evidence(o), f"{n} attempts > {cap}: gaps {_gaps(o)}", _MEND)
                    for o, n in sorted(over, key=lambda pair: -pair[1])]
        going = any(o.over_budget for o, _ in over)
        severity = "critical" if most >= _RUNAWAY or (going and not _growing(over)) else (
            "minor" if most <= 2 * cap else "major")
        return _TELL.failed(case, findings, observed=most, limit=cap, severity=severity,
                            witnesses=len(over))
    unfinished = [o for o, _ in counted if o.outcome in (None, "killed") or o.over_budget]
    finished = len(counted) - len(unfinished)
    if unfinished and not finished and all(map(_waiting, unfinished)):
        return _TELL.unknown(case, case.doubt(), "cut off while it waited, not while it retried",
                             observed=most, limit=cap)
    if not all(map(_waiting, unfinished)):
        return _TELL.unknown(case, "budget_exhausted", "still going when the observation ended",
                             observed=most, limit=cap)
    note = "" if case.profile.max_attempts else "undeclared; held against 5"
    return _TELL.passed(case, finished, observed=most, limit=cap, note=note)


def _failing(operation: Operation, cap: int) -> bool:
    """Whether the client was free to go over the cap: no attempt succeeded within it."""
    return len(operation.attempts) > 0 and all(map(transient, operation.attempts[:cap]))


def _waiting(operation: Operation) -> bool:
    """Whether it was cut off in a silence, or in a wait that the provider asked for: that says
    nothing of how often it would have tried."""
    last = operation.attempts[-1]
    return (not last.complete and last.word.startswith(("hang", "lane stall_after"))) or (
        last.answer_header("retry-after") is not None)


def _count(operation: Operation) -> int:
    attempts = operation.attempts
    resent = sum(_transparent(first, second)
                 for first, second in itertools.pairwise(attempts))
    return len(attempts) - min(resent, 1)


def _transparent(first: Exchange, second: Exchange) -> bool:
    """A resend on a fresh connection after a reused, idle one ended without an answer byte."""
    return (first.nth > 1 and first.closed is not None and not first.answered_bytes
            and second.nth == 1 and first.end_hi_ns is not None
            and second.start_lo_ns - first.end_hi_ns < 20_000_000)


def _gap_list(operation: Operation) -> list[float]:
    starts = [a.start_lo_ns for a in operation.attempts]
    return [(b - a) / 1e9 for a, b in itertools.pairwise(starts)]


def _gaps(operation: Operation) -> str:
    gaps = _gap_list(operation)
    return ", ".join(f"{g:.2f}" for g in gaps[:8]) + (" ..." if len(gaps) > 8 else "")


def _growing(over: list[tuple[Operation, int]]) -> bool:
    gaps = _gap_list(over[0][0])
    return len(gaps) > 3 and gaps[-1] > 1.5 * gaps[len(gaps) // 2]


def _evidence(operation: Operation) -> tuple[int, ...]:
    return tuple(a.evidence[0] for a in operation.attempts)


RTY001 = Invariant("RTY001", "retry-cap", "RTY", "major", check)
