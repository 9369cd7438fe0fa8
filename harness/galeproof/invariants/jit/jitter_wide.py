"""JIT005 jitter-wide."""

from __future__ import annotations

import itertools

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.jit._delays import delays_of, noise_of, quantile
from galeproof.invariants.jit._shape import immediate_s
from galeproof.model import Verdict

__all__ = ["JIT005"]

_TELL = Teller("JIT005", "jitter-wide", "minor", "q10/q90")
_ENOUGH = 60
_NARROW = 0.85
# 99.9 % of samples of sixty lie within; neighbours overlap, so that a set is told and no name
_KINDS = (("full", 0.0, 0.33), ("decorrelated", 0.37, 0.57), ("equal", 0.54, 0.68),
          ("20 % either way", 0.69, 0.80), ("75 to 100 %", 0.77, 0.85), ("10 % either way", 0.83, 0.89))


def check(case: Case) -> Verdict:
    """JIT005 jitter-wide.

    What it does: measures how wide the jitter is: the tenth percentile over the ninetieth of sixty and
    more delays before the same retry. It never fails; what is narrower than a fifth is noted.

    Why it is bad: a herd that is spread over a tenth of the delay is still a herd. Full jitter gives the
    provider the evenest load, and the callers the shortest wait.

    Example: ``delay * random.uniform(0.99, 1.01)``.

    Use instead: full jitter, ``random.uniform(0, delay)``.

    When it is unknown: fewer than 60 delays before any one retry, or none but immediate ones
    (not_exercised).

    References: AWS Architecture Blog, "Exponential Backoff And Jitter", and its simulator.
    """
    found = [d for d in delays_of(case, noise_of(case)) if d.values and d.median_s >= immediate_s(case)]
    pooled = []
    for _, same in itertools.groupby(sorted(found, key=lambda d: (d.group, d.index)),
                                     key=lambda d: (d.group, d.index)):
        values = sorted(v for delays in same for v in delays.values)
        if len(values) >= _ENOUGH:
            pooled.append(values)
    if not pooled:
        most = max((len(d.values) for d in found), default=0)
        return _TELL.unknown(case, case.doubt(), f"{_ENOUGH} delays before one retry are needed"
                             if most else "")
    ratios = [max(0.0, quantile(values, 0.1)) / quantile(values, 0.9) for values in pooled]
    widest = min(ratios)
    kinds = [name for name, low, high in _KINDS if low <= widest <= high]
    like = f"like {' or '.join(kinds)}" if kinds else "like no usual jitter"
    note = f"{like}; full jitter is recommended" if widest > _NARROW else like
    return _TELL.passed(case, max(map(len, pooled)), observed=round(widest, 2), limit=_NARROW, note=note)


JIT005 = Invariant("JIT005", "jitter-wide", "JIT", "minor", check)
