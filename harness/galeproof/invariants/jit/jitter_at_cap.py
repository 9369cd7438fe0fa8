"""JIT003 jitter-at-cap."""

from __future__ import annotations

import itertools

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.jit._delays import ENOUGH, Delays, Noise, delays_of, noise_of
from galeproof.invariants.jit._shape import NARROW, at_cap, finding, immediate_s, narrow, wide
from galeproof.model import Outcome, Verdict

__all__ = ["JIT003"]

_TELL = Teller("JIT003", "jitter-at-cap", "minor", "share")
_EQUAL = 0.25  # medians of thirty drawn delays differ by that much at one cap
_MEND = ("cap first, then draw: delay = random() * min(cap, base * 2 ** n) (tenacity: "
         "wait_random_exponential instead of wait_exponential_jitter)")


def check(case: Case) -> Verdict:
    """JIT003 jitter-at-cap.

    What it does: looks at the last two retries of some sixty operations whose backoff has reached its
    cap: their delays must still differ as JIT001 asks.

    Why it is bad: most of a long outage is spent at the cap. Clients whose capped delays are all alike
    come back together once more, however well the first ones were spread.

    Example: ``min(cap, 2 ** n + random())``: the sum is cut, and the jitter with it (tenacity's
    ``wait_exponential_jitter``, urllib3's ``backoff_jitter``).

    Use instead: ``random.uniform(0, min(cap, base * 2 ** n))``.

    When it is unknown: the backoff never reaches its cap, or fewer than 20 operations do
    (not_exercised); the delays are too short for the noise of this machine and client (noise).

    References: AWS REL05-BP03; AWS Architecture Blog, "Exponential Backoff And Jitter".
    """
    noise = noise_of(case)
    found = [d for d in delays_of(case, noise) if len(d.values) >= ENOUGH]
    told = [v for _, group in itertools.groupby(found, key=lambda d: d.group)
            if (v := _group(case, list(group), noise)) is not None]
    if not told:
        return _TELL.unknown(case, case.doubt(), "the cap of the backoff was not reached"
                             if found else "")
    order = (Outcome.FAIL, Outcome.UNKNOWN, Outcome.PASS)
    return min(told, key=lambda v: order.index(v.outcome))


def _group(case: Case, delays: list[Delays], noise: Noise) -> Verdict | None:
    """Judge one policy's capped delays; None where there are none."""
    waits = [d for d in delays if d.median_s >= immediate_s(case)]
    reached = sorted({d.index for d in waits if at_cap(case, d, delays, _EQUAL)})[-2:]
    capped = [d for d in waits if d.index in reached]
    if not capped:
        return None
    alike = [d for d in capped if narrow(d, noise)]
    drawn = [d for d in capped if wide(d, noise)]
    witnesses = sum(len(d.values) for d in capped if d.index == reached[-1])
    if alike and not drawn:
        worst = max(alike, key=lambda d: d.share(noise.tau_s))
        return _TELL.failed(case, [finding(d, noise, _MEND) for d in alike], limit=NARROW,
                            observed=round(worst.share(noise.tau_s), 2), witnesses=witnesses)
    if len(drawn) >= 2:
        most = round(max(d.share(noise.tau_s) for d in drawn), 2)
        return _TELL.passed(case, witnesses, observed=most, limit=NARROW)
    return _TELL.unknown(case, "noise", f"a window of {1000 * noise.tau_s:.0f} ms does not tell",
                         limit=NARROW)


JIT003 = Invariant("JIT003", "jitter-at-cap", "JIT", "minor", check)
