"""BUD002 adaptive-throttle."""

from __future__ import annotations

from typing import Any

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants._outage import Outage, sole_outage
from galeproof.model import Finding, Verdict

__all__ = ["BUD002"]

_TELL = Teller("BUD002", "adaptive-throttle", "minor", "attempts an operation")
_SHED, _SENT, _BACK = 0.5, 0.7, 0.9
_MEND = ("count every request that is asked for, held back or not, and those that were accepted; hold back "
         "with the chance (asked - K * accepted) / (asked + 1), over a window that slides")


def check(case: Case) -> Verdict:
    """BUD002 adaptive-throttle.

    What it does: a client that promises to throttle itself goes through a long outage. In its last third
    it must send at most half as many attempts as operations, but some; and when the provider is
    well, be back at nine of ten within its declared window.

    Why it is bad: a throttle that counts wrong sheds nothing when it is needed, or never lets go.

    Example: a window that never slides; requests that are counted only once they are answered.

    Use instead: the throttle of the SRE book, with K of 2.

    When it is unknown: no throttle is declared (undeclared); no long outage was met (not_exercised); the
    run ended within the window (budget_exhausted); between the zones (noise).

    References: Google SRE book, chapter 21, "Client-Side Throttling"; go-zero issue 5011.
    """
    outage = sole_outage(case)
    if outage is None or not outage.offered(*outage.late_ns):
        return _TELL.unknown(case, case.doubt())
    rho = round(outage.rho(*outage.late_ns), 2)
    figures: dict[str, Any] = {"observed": rho, "limit": _SHED, "witnesses": outage.offered(*outage.late_ns)}
    throttle = case.profile.throttle
    if throttle is None:
        return _TELL.unknown(case, "undeclared", "to judge: throttle = {window_s = ...}", **figures)
    if rho > _SENT:
        return _failed(case, outage, f"{rho:g} attempts an operation in the outage's last third", figures)
    if outage.admitted(*outage.late_ns) == 0:
        return _failed(case, outage, "nothing was sent in the outage's last third: no recovery could be seen",
                       figures)
    back = outage.back_after_s(_BACK)
    if rho > _SHED or not outage.recovers:
        return _TELL.unknown(case, "noise" if rho > _SHED else "budget_exhausted", "some load was shed, but "
                             "not half of it" if rho > _SHED else "the outage had no end", **figures)
    if back is not None and back <= throttle.window_s:
        return _TELL.passed(case, note=f"back after {back:.1f} s", **figures)
    if back is None and outage.watched_s - 2 <= throttle.window_s:
        return _TELL.unknown(case, "budget_exhausted", f"not back when the run ended, "
                             f"{outage.watched_s:.0f} s after the recovery", **figures)
    away = f"back after {back:.1f} s" if back is not None else f"not back after {outage.watched_s:.0f} s"
    return _failed(case, outage, f"{away}, the window is {throttle.window_s:g} s", figures)


def _failed(case: Case, outage: Outage, text: str, figures: dict[str, Any]) -> Verdict:
    lo, hi = outage.late_ns
    evidence = outage.seen(lo, hi) or tuple(o.start.index for o in outage.begun(lo, hi)[:10])
    return _TELL.failed(case, [Finding(None, evidence, text, _MEND)], **figures)


BUD002 = Invariant("BUD002", "adaptive-throttle", "BUD", "minor", check)
