"""JIT001 jitter-present."""

from __future__ import annotations

import itertools
from typing import Any

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.jit._delays import ENOUGH, Delays, Noise, delays_of, noise_of, refusals
from galeproof.invariants.jit._shape import NARROW, at_cap, finding, immediate_s, narrow, wide
from galeproof.model import Outcome, Verdict

__all__ = ["JIT001"]

_TELL = Teller("JIT001", "jitter-present", "major", "share")


def check(case: Case) -> Verdict:
    """JIT001 jitter-present.

    What it does: some thirty operations, started 10 to 20 ms apart, meet a provider that answers
    503 to everything. The delays before the same retry of each must differ: no more than 60 % of
    them within a window of tau, in two batches or before two retries.

    Why it is bad: clients that failed together come back together, and knock the provider down
    again as it rises.

    Example: ``sleep(0.3 * 2 ** n)``; ``random()`` taken as milliseconds; one draw a client object;
    a generator seeded alike for every operation.

    Use instead: full jitter, ``sleep(random.uniform(0, min(cap, base * 2 ** n)))``.

    When it is unknown: fewer than 20 delays before any retry, no retry at all, or none but immediate
    ones (not_exercised); the delays are too short for the noise of this machine and client (noise).

    References: AWS REL05-BP03; gRFC A6 (0.2 either way); botocore, rand(0,1) * min(2^i, 20).
    """
    noise = noise_of(case)
    found = delays_of(case, noise)
    if case.cold and not found:
        return _TELL.unknown(case, "noise", "a process an operation: its first delay is that of a cold "
                             "process, and there is no second one; a driver tells")
    if not any(d.raw >= ENOUGH for d in found):
        most = max((d.raw for d in found), default=0)
        return _TELL.unknown(case, case.doubt(), f"{most} delays before one retry, {ENOUGH} are needed"
                             if most else "")
    tainted = all(len(d.values) < ENOUGH for d in found)
    judged = [d for d in found if len(d.values) >= ENOUGH]
    groups = [_group(case, list(g), noise)
              for _, g in itertools.groupby(judged, key=lambda d: d.group)]
    told = [v for v in groups if v.reason != "not_exercised"]
    order = (Outcome.FAIL, Outcome.UNKNOWN, Outcome.PASS)
    if told:
        return min(told, key=lambda v: order.index(v.outcome))
    if tainted:
        return _TELL.unknown(case, "noise", "the world was too late to stamp the delays")
    return groups[0]


def _group(case: Case, delays: list[Delays], noise: Noise) -> Verdict:
    """Judge the delays of one operation's policy."""
    waits = [d for d in delays if d.median_s >= immediate_s(case)]
    if not waits:
        return _TELL.unknown(case, "not_exercised", "every retry is immediate (RTY006)")
    below = [d for d in waits if not at_cap(case, d, delays)] or waits
    alike = [d for d in below if narrow(d, noise)]
    drawn = [d for d in below if wide(d, noise)]
    batches = {d.batch for d in below}
    figures: dict[str, Any] = {"limit": NARROW, "witnesses": sum(
        max(len(d.values) for d in below if d.batch == batch) for batch in batches)}
    if _one_of_several(case, delays, drawn):
        return _TELL.unknown(case, "not_exercised", "the first retry was seen, and no later one")
    if any(_all_of(b, below, alike) for b in batches) and not drawn:
        worst = max(alike, key=lambda d: d.share(noise.tau_s))
        return _TELL.failed(case, [finding(d, noise) for d in alike],
                            observed=round(worst.share(noise.tau_s), 2), **figures)
    most = round(max(d.share(noise.tau_s) for d in (drawn or below)), 2)
    if len(drawn) >= 2:
        fixed = sorted({d.index for d in alike})
        note = f"retry {', '.join(map(str, fixed))} is not randomised" if fixed else ""
        return _TELL.passed(case, observed=most, note=note, **figures)
    return _TELL.unknown(
        case, "noise", f"delays of {min(d.median_s for d in below):.3f} s and a window of "
        f"{1000 * noise.tau_s:.0f} ms do not tell", observed=most, limit=NARROW)


def _one_of_several(case: Case, delays: list[Delays], drawn: list[Delays]) -> bool:
    """Whether the storm ended before the client's second retry: a fixed delay before the first one says
    nothing of the others (JIT002)."""
    if drawn or any(d.index > 1 for d in delays):
        return False
    if case.profile.max_attempts is not None:
        return case.profile.max_attempts > 2
    return not any(len(o.requests) == 2 and pairs[-1][1].status == pairs[-1][0].status
                   for o, pairs in refusals(case) if o.name == delays[0].group[0])


def _all_of(batch: int, below: list[Delays], alike: list[Delays]) -> bool:
    return all(d in alike for d in below if d.batch == batch)


JIT001 = Invariant("JIT001", "jitter-present", "JIT", "major", check)
