"""CBK002 half-open-limited."""

from __future__ import annotations

import bisect
import itertools

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants._outage import Outage, sole_outage
from galeproof.model import Finding, Verdict

__all__ = ["CBK002"]

_TELL = Teller("CBK002", "half-open-limited", "minor", "attempts in 1 s")
_SECOND_NS = 1_000_000_000
_MOST, _SHARE = 10, 0.2
_OFFERED = 10  # operations that begin while it is open: else nothing was held back
_MEND = ("let one probe through when the open period is over (or a declared few), and refuse all others "
         "until it has come back")


def check(case: Case) -> Verdict:
    """CBK002 half-open-limited.

    What it does: in a long outage with slow failures, looks at the attempts that are sent after the
    breaker has been open for a second and more: at most ten within a second, or a fifth of what is offered.

    Why it is bad: when the timer fires, all callers pass at once. A provider that is just rising is
    knocked down by the whole load, once a period.

    Example: ``if now > open_until: state = "half_open"; return True``, for every caller.

    Use instead: a counter of probes in flight, taken and given back; the others are refused.

    When it is unknown: no time without attempts was seen, as with a throttle that spreads them, or none
    was sent after it while the outage lasted (not_exercised).

    References: Polly, circuit breaker (the first action after the break decides); resilience4j,
    permittedNumberOfCallsInHalfOpenState.
    """
    outage = sole_outage(case)
    if outage is None:
        return _TELL.unknown(case, case.doubt())
    probing_ns = _probing_ns(outage)
    if probing_ns is None:
        return _TELL.unknown(case, case.doubt(), "no open period was seen, with a probe after it, "
                             "while the outage lasted")
    first = bisect.bisect_left(outage.sent, probing_ns)
    last = bisect.bisect_left(outage.sent, outage.end_ns)
    worst, at_ns, allowed = 0, probing_ns, float(_MOST)
    for index in range(first, last):
        begin = outage.sent[index]
        count = min(last, bisect.bisect_left(outage.sent, begin + _SECOND_NS)) - index
        if count > worst:
            worst, at_ns = count, begin
            allowed = _allowed(case, outage, begin)
    if worst > allowed:
        text = (f"{worst} attempts within a second, of {outage.offered(at_ns, at_ns + _SECOND_NS)} "
                f"operations begun, {(at_ns - outage.begin_ns) / 1e9:.1f} s into the outage")
        return _TELL.failed(case, [Finding(None, outage.seen(at_ns, at_ns + _SECOND_NS), text, _MEND)],
                            observed=worst, limit=allowed, witnesses=worst)
    return _TELL.passed(case, last - first, observed=worst, limit=allowed)


def _probing_ns(outage: Outage) -> int | None:
    """When the first attempt came after an open period: a second and more without any, while operations
    began; None where none came before the outage was over."""
    first = max(0, bisect.bisect_left(outage.sent, outage.begin_ns) - 1)
    last = bisect.bisect_left(outage.sent, outage.end_ns)
    for before, after in itertools.pairwise(outage.sent[first:last]):
        if after - before > _SECOND_NS and outage.offered(before, after) >= _OFFERED:
            return after
    return None


def _allowed(case: Case, outage: Outage, begin_ns: int) -> float:
    declared = case.profile.breaker.probes if case.profile.breaker else None
    share = _SHARE * outage.offered(begin_ns, begin_ns + _SECOND_NS)
    return round(max(_MOST, share, declared or 0), 1)


CBK002 = Invariant("CBK002", "half-open-limited", "CBK", "minor", check)
