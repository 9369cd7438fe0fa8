"""CBK003 closes."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants._outage import Outage, sole_outage
from galeproof.invariants._timing import fail_beyond_s, pass_up_to_s
from galeproof.model import Finding, Verdict

__all__ = ["CBK003"]

_TELL = Teller("CBK003", "closes", "major", "s")
_SHED, _BACK = 0.5, 0.9
_MEND = "probe when the open period is over, count the probe's success, and close"


def check(case: Case) -> Verdict:
    """CBK003 closes.

    What it does: after a long outage the provider is well again. Within one and a half times the declared
    open period and two seconds more, nine of ten operations must be sent again.

    Why it is bad: the client is down although the provider is up, for as long as nobody restarts it.

    Example: a breaker that never closes; probes whose success nobody counts.

    Use instead: half-open probes after the open period, and closed again once they succeed.

    When it is unknown: the load was not shed before (not_exercised); no open period is declared and the
    client was not back while it was watched (undeclared); it was watched for too short a time
    (budget_exhausted); between the zones (noise).

    References: Nygard, "Release It!"; Polly and resilience4j, documentation.
    """
    outage = sole_outage(case)
    if outage is None or not outage.recovers or not outage.offered(*outage.late_ns):
        return _TELL.unknown(case, case.doubt())
    if outage.rho(*outage.late_ns) > _SHED:
        return _TELL.unknown(case, case.doubt(), "no breaker was open when the outage ended")
    back = outage.back_after_s(_BACK)
    reset = case.profile.breaker.reset_s if case.profile.breaker else None
    if reset is None:
        return _undeclared(case, outage, back)
    limit = 1.5 * reset + 2
    figures = {"observed": round(outage.watched_s if back is None else back, 2), "limit": limit}
    if back is not None and back <= pass_up_to_s(limit):
        return _TELL.passed(case, outage.offered(outage.end_ns, outage.starts[-1]), **figures)
    if (outage.watched_s - 2 if back is None else back) > fail_beyond_s(limit):
        return _TELL.failed(case, [_finding(outage, back, limit)], timing=back is not None, **figures)
    if back is None:
        return _TELL.unknown(case, "budget_exhausted", "watched for too short a time", **figures)
    return _TELL.unknown(case, "noise", "between pass and fail zone", **figures)


def _undeclared(case: Case, outage: Outage, back: float | None) -> Verdict:
    """Back by itself passes; still away does not say how long it would have stayed so."""
    if back is not None:
        return _TELL.passed(case, outage.offered(outage.end_ns, outage.starts[-1]), observed=round(back, 2),
                            note=f"undeclared; back after {back:.1f} s")
    watched = round(outage.watched_s, 1)
    if case.profile.strict:
        return _TELL.failed(case, [_finding(outage, None, None)], observed=watched)
    return _TELL.unknown(case, "undeclared", f"not back after {watched:g} s; to judge: "
                         "breaker = {reset_s = ...}", observed=watched)


def _finding(outage: Outage, back: float | None, limit: float | None) -> Finding:
    away = f"back only after {back:.1f} s" if back is not None else f"not back after {outage.watched_s:.1f} s"
    promised = f", {limit:g} s allowed" if limit is not None else ""
    rho = outage.rho(outage.end_ns, outage.starts[-1])
    last = outage.begun(outage.starts[-1] - 10**9, outage.starts[-1] + 1)
    return Finding(None, outage.seen(outage.end_ns, outage.starts[-1]) + tuple(
        o.start.index for o in last[-3:]), f"the provider was well again, and the client {away}{promised}: "
        f"{rho:.2f} attempts an operation since", _MEND)


CBK003 = Invariant("CBK003", "closes", "CBK", "major", check)
