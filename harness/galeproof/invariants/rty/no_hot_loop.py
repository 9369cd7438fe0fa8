"""RTY006 no-hot-loop."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.rty._gaps import Gap, gaps_of
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Operation

__all__ = ["RTY006"]

_TELL = Teller("RTY006", "no-hot-loop", "major", "immediate retries")
_AT_ONCE_S = 0.005
_OF_BASE = 0.02
_SHARE = 0.5
_MEND = ("wait before every retry, longer each time (urllib3: Retry(backoff_factor=0.3, "
         "backoff_jitter=0.3), its default is 0; await asyncio.sleep)")


def check(case: Case) -> Verdict:
    """RTY006 no-hot-loop.

    What it does: counts the retries of an operation that start at once, less than 5 ms (or a
    fiftieth of the declared base) after the failure. One may be immediate, not two.

    Why it is bad: the provider gets all retries in the very moment in which it fails.

    Example: ``Retry(3, status_forcelist=[503])`` (backoff_factor is 0 by default); a delay in
    seconds divided by a thousand; ``asyncio.sleep(delay)`` that nobody awaits.

    Use instead: exponential backoff with jitter from the first retry on.

    When it is unknown: no operation was retried twice (not_exercised); the client itself takes so
    long from call to wire that a retry without any wait would look like these (noise).

    Full jitter draws a gap below 5 ms now and then: so all gaps are judged together, and it takes
    half of them and an operation with two.

    References: Google SRE book, chapters 21 and 22.
    """
    at_once_s = _AT_ONCE_S
    if case.profile.backoff is not None:
        at_once_s = max(at_once_s, _OF_BASE * case.profile.backoff.base_s)
    counted = [(o, gaps, [g for g in gaps if g.hi_s < at_once_s])
               for o in case.sound() if o.cancel is None and len(gaps := _quick(o)) >= 2]
    if not counted:
        return _TELL.unknown(case, case.doubt(), limit=1)
    most = max(len(hot) for _, _, hot in counted)
    share = sum(len(hot) for _, _, hot in counted) / sum(len(gaps) for _, gaps, _ in counted)
    hot_ones = [(o, gaps, hot) for o, gaps, hot in counted if len(hot) >= 2]
    if hot_ones and share >= _SHARE:
        findings = [Finding(o.ref, _evidence(hot), f"{len(hot)} of {len(gaps)} retries at once: gaps "
                            + ", ".join(f"{g.hi_s * 1000:.1f}" for g in gaps[:8]) + " ms", _MEND)
                    for o, gaps, hot in hot_ones]
        return _TELL.failed(case, findings, observed=most, limit=1, timing=True)
    slow_s = _call_to_wire_s(case)
    if _hidden([gaps for _, gaps, _ in counted], at_once_s + slow_s):
        return _TELL.unknown(case, "noise", f"{slow_s * 1000:.0f} ms from call to wire hide whether "
                             "anything waits", observed=most, limit=1)
    note = f"{share:.0%} of all retries at once" if most else ""
    return _TELL.passed(case, len(counted), observed=most, limit=1, note=note)


def _call_to_wire_s(case: Case) -> float:
    """How long nine in ten first attempts took from their call to the wire at most."""
    took = sorted(case.call_to_wire_s())
    return max(0.0, took[len(took) * 9 // 10]) if took else 0.0


def _hidden(gaps: list[list[Gap]], within_s: float) -> bool:
    """Whether gaps so short would make a hot loop."""
    hot = [sum(gap.hi_s < within_s for gap in found) for found in gaps]
    return max(hot) >= 2 and sum(hot) >= _SHARE * sum(map(len, gaps))


def _quick(operation: Operation) -> list[Gap]:
    """Gaps after failures that the provider made: who has waited for a timeout is no hot loop."""
    return [g for g in gaps_of(operation) if g.before.complete or g.before.closed is not None]


def _evidence(hot: list[Gap]) -> tuple[int, ...]:
    return tuple(i for gap in hot for i in (gap.before.evidence[0], gap.after.evidence[0]))


RTY006 = Invariant("RTY006", "no-hot-loop", "RTY", "major", check)
