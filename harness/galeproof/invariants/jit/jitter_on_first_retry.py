"""JIT002 jitter-on-first-retry."""

from __future__ import annotations

import itertools

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.jit._delays import ENOUGH, Delays, Noise, delays_of, noise_of
from galeproof.invariants.jit._shape import NARROW, finding, immediate_s, narrow, wide
from galeproof.model import Outcome, Verdict

__all__ = ["JIT002"]

_TELL = Teller("JIT002", "jitter-on-first-retry", "minor", "share")
_MEND = "draw the first delay too, with no floor above the draw: delay = random() * base"


def check(case: Case) -> Verdict:
    """JIT002 jitter-on-first-retry.

    What it does: holds the delays before the first retry of some sixty operations, and these alone,
    against what JIT001 asks of all.

    Why it is bad: the first retry carries the whole herd; what comes after it is a remnant.

    Example: ``max(base, base * random.uniform(0.5, 1))``, which is base.

    Use instead: ``random.uniform(0, base)`` before the first retry.

    When it is unknown: the first retry is immediate (which RTY006 counts), or fewer than 20 operations
    were retried (not_exercised); the delays are too short for the noise here (noise).

    References: AWS Architecture Blog, "Exponential Backoff And Jitter"; gRFC A6.
    """
    noise = noise_of(case)
    found = [d for d in delays_of(case, noise) if d.index == 1 and len(d.values) >= ENOUGH]
    waits = [d for d in found if d.median_s >= immediate_s(case)]
    if not waits:
        return _TELL.unknown(case, case.doubt(), "the first retry is immediate" if found else "")
    told = [_group(case, list(group), noise)
            for _, group in itertools.groupby(waits, key=lambda d: d.group)]
    order = (Outcome.FAIL, Outcome.UNKNOWN, Outcome.PASS)
    return min(told, key=lambda v: order.index(v.outcome))


def _group(case: Case, firsts: list[Delays], noise: Noise) -> Verdict:
    """Judge the first delays of one operation's policy, batch by batch."""
    witnesses = sum(len(d.values) for d in firsts)
    most = round(max(d.share(noise.tau_s) for d in firsts), 2)
    alike = [d for d in firsts if narrow(d, noise)]
    drawn = [d for d in firsts if wide(d, noise)]
    if alike and not drawn:
        return _TELL.failed(case, [finding(d, noise, _MEND) for d in alike], observed=most,
                            limit=NARROW, witnesses=witnesses)
    if len(drawn) >= 2:
        return _TELL.passed(case, witnesses, observed=most, limit=NARROW)
    return _TELL.unknown(case, "noise", f"delays of {min(d.median_s for d in firsts):.3f} s and a window "
                         f"of {1000 * noise.tau_s:.0f} ms do not tell", observed=most, limit=NARROW)


JIT002 = Invariant("JIT002", "jitter-on-first-retry", "JIT", "minor", check)
