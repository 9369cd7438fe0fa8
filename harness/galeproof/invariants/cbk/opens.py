"""CBK001 opens."""

from __future__ import annotations

import statistics
from typing import Any

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants._outage import Outage, sole_outage
from galeproof.model import Finding, Verdict

__all__ = ["CBK001"]

_TELL = Teller("CBK001", "opens", "major", "attempts an operation")
_SHED, _SENT = 0.5, 0.9
_ENOUGH, _LONG_S = 100, 5.0
_FAST_S = 0.05
_MEND = ("put one circuit breaker for each provider in front of all calls: count timeouts, resets and 5xx, "
         "open, and fail at once while it is open")


def check(case: Case) -> Verdict:
    """CBK001 opens.

    What it does: hundreds of healthy operations, then an outage of many seconds with slow failures at
    fifty operations a second. In its last third the client must send at most half as many attempts as
    operations are begun, and what is not sent must fail at once.

    Why it is bad: without a breaker every caller goes on waiting for a provider that is known to be down,
    until threads and connections are used up, and the provider cannot rise under the load.

    Example: a breaker object made for each call; one that counts exceptions, but not answers of 5xx.

    Use instead: one breaker for each provider (pybreaker, aiobreaker, Polly, resilience4j), around the
    attempt, shared by all calls. A throttle or a retry budget that sheds load serves as well.

    When it is unknown: no breaker was promised and none was seen (undeclared, with the figure; it fails
    where the profile is strict); the outage was shorter than the breaker needs (not_exercised); between
    half and nine tenths (noise).

    References: Nygard, "Release It!"; Polly and resilience4j, defaults; AWS Well-Architected REL05.
    """
    outage = sole_outage(case)
    if outage is None or outage.lasted_s < _LONG_S or (
            outage.offered(outage.begin_ns, outage.end_ns) < _ENOUGH):
        return _TELL.unknown(case, case.doubt())
    late = outage.late_ns
    rho, offered = round(outage.rho(*late), 2), outage.offered(*late)
    figures = {"observed": rho, "limit": _SHED}
    declared = case.profile.breaker is not None
    if rho <= _SHED:
        return _shed(case, outage, {**figures, "witnesses": offered})
    if rho < _SENT:
        return _TELL.unknown(case, "noise", "some load was shed, but not half of it", **figures)
    if not declared and not case.profile.strict:
        return _TELL.unknown(case, "undeclared", "no breaker was seen; to judge: breaker = {calls = ..., "
                             "reset_s = ...}", **figures)
    needed = case.profile.breaker.calls if case.profile.breaker else _ENOUGH
    if outage.admitted(outage.begin_ns, outage.end_ns) < needed:
        return _TELL.unknown(case, "not_exercised", f"the breaker needs {needed} calls", **figures)
    text = (f"{outage.admitted(*late)} attempts of {offered} operations in the last "
            f"{(late[1] - late[0]) / 1e9:.1f} s of an outage of {outage.lasted_s:.0f} s")
    return _TELL.failed(case, [Finding(None, outage.seen(*late), text, _MEND)], witnesses=offered, **figures)


def _shed(case: Case, outage: Outage, figures: dict[str, Any]) -> Verdict:
    """Load was shed: what was not sent must have failed at once."""
    held = [o for o in outage.begun(*outage.late_ns) if not o.requests and o.elapsed_ns is not None]
    waited = statistics.median((o.elapsed_ns or 0) / 1e9 for o in held) if held else 0.0
    fast = max(_FAST_S, 0.1 * (case.profile.read_timeout_s or 0.0))
    if waited > max(1.0, 10 * fast):
        text = f"{len(held)} operations were not sent, and failed after {waited:.2f} s"
        return _TELL.failed(case, [Finding(held[0].ref, tuple(o.start.index for o in held[:5]), text, _MEND)],
                            **figures)
    if waited > fast:
        return _TELL.unknown(case, "noise", f"what was not sent failed after {waited:.2f} s", **figures)
    return _TELL.passed(case, note=f"failed at once, in {1000 * waited:.1f} ms" if held else "", **figures)


CBK001 = Invariant("CBK001", "opens", "CBK", "major", check)
