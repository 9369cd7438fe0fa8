"""RTY005 backoff-grows-and-caps."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants._timing import fail_beyond_s, lagged_s, pass_up_to_s
from galeproof.invariants.jit._delays import ENOUGH, delays_of, noise_of, quantile, refused
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Operation

__all__ = ["RTY005"]

_TELL = Teller("RTY005", "backoff-grows-and-caps", "minor", "q90 of the third delay over the first")
_GROWTH, _FLAT = 2.0, 1.3
_MEND = "delay = random() * min(cap, base * 2 ** attempt), with an attempt that is counted up"


@dataclass(frozen=True, slots=True)
class _Growth:
    """The ninetieth percentiles, in s, of the first and the third delay; and events of the third."""

    first_s: float
    third_s: float
    count: int
    evidence: tuple[int, ...]

    @property
    def ratio(self) -> float:
        """How much longer the third is."""
        return self.third_s / max(self.first_s, 1e-9)


def check(case: Case) -> Verdict:
    """RTY005 backoff-grows-and-caps.

    What it does: some sixty operations meet 503 for ever. The ninetieth percentile of the delays before
    the third retry must be twice that of the first, unless the first is at the cap already; and no
    delay may be longer than the declared cap.

    Why it is bad: a delay that does not grow knocks at the same rate for the whole outage; one without
    a cap leaves the caller waiting for hours once the exponent has run away.

    Example: an exponent that is never counted up; ``2 ** n`` that overflows into a sleep of 2^63 s.

    Use instead: ``random.uniform(0, min(cap, base * 2 ** n))``.

    When it is unknown: fewer than 20 operations with three retries, or a deadline that cuts them
    (not_exercised); no growth, and no cap declared that would explain it (undeclared); steps that the
    noise of this machine and client hides (noise).

    References: Google SRE book, chapter 22; AWS REL05-BP03; gRFC A6.
    """
    over, grey, longest, cut_off = _over_cap(case)
    if over:
        return _TELL.failed(case, over, observed=round(longest, 2), unit="s", timing=not cut_off,
                            limit=case.profile.backoff.cap_s if case.profile.backoff else None)
    noise = noise_of(case)
    grown = _growths(case)
    if not grown:
        return _TELL.unknown(case, case.doubt(), "fewer than 20 operations with three retries"
                             if longest else "", limit=_GROWTH)
    backoff = case.profile.backoff
    flat = [g for g in grown if g.ratio < _limit(case, g)]
    worst = min(flat or grown, key=lambda g: g.ratio)
    figures = {"observed": round(worst.ratio, 2), "limit": round(_limit(case, worst), 2)}
    if flat and worst.first_s < 5 * noise.spread_s:
        return _TELL.unknown(case, "noise", "the steps of the backoff are too short for the noise here",
                             **figures)
    if flat and backoff is None and not case.profile.strict:
        return _TELL.unknown(case, "undeclared", "no growth seen, which a cap would explain; to judge: "
                             "backoff = {base_s = ..., cap_s = ...}", **figures)
    if flat:
        text = (f"the third delay is {worst.third_s:.3f} s, the first {worst.first_s:.3f} s "
                f"(q90 of {worst.count}): {worst.ratio:.1f} times")
        return _TELL.failed(case, [Finding(None, worst.evidence, text, _MEND)], **figures)
    if grey:
        return _TELL.unknown(case, "noise", "a delay between pass and fail zone of the cap", **figures)
    return _TELL.passed(case, sum(g.count for g in grown), **figures)


def _limit(case: Case, seen: _Growth) -> float:
    """Twice, or what lies midway between no growth and all that is declared or that the cap leaves
    room for; 0 where that is hardly any."""
    backoff = case.profile.backoff
    if backoff is None or backoff.base_s <= 0:
        return _GROWTH
    first, third = (min(backoff.cap_s, backoff.base_s * backoff.factor**n) for n in (0, 2))
    room = min(float(third / first), backoff.cap_s / max(seen.first_s, 1e-9))
    return 0.0 if room < _FLAT else min(_GROWTH, math.sqrt(room))


def _growths(case: Case) -> list[_Growth]:
    """First and third delay of every policy of which enough operations were retried three times."""
    found = []
    delays = delays_of(case, noise_of(case))
    for _, group in itertools.groupby(delays, key=lambda d: d.group):
        by_index: dict[int, list[float]] = {}
        evidence: tuple[int, ...] = ()
        for d in group:
            by_index.setdefault(d.index, []).extend(d.values)
            evidence = d.evidence if d.index == 3 else evidence
        first, third = (sorted(by_index.get(index, ())) for index in (1, 3))
        if len(first) >= ENOUGH and len(third) >= ENOUGH:
            found.append(_Growth(quantile(first, 0.9), quantile(third, 0.9), len(third), evidence))
    return found


def _over_cap(case: Case) -> tuple[list[Finding], bool, float, bool]:
    """Delays beyond the declared cap; whether one lies in the grey zone; the longest delay in s; whether
    an operation had to be cut off in one."""
    backoff = case.profile.backoff
    findings, grey, longest, cut_off = [], False, 0.0, False
    for operation in case.sound():
        gaps = [((b.start_lo_ns - (a.end_hi_ns or 0)) / 1e9, a.end_hi_ns or 0, b.start_lo_ns,
                 b.evidence[0]) for a, b in refused(operation)]
        gaps += _unfinished(case, operation)
        longest = max([longest, *(g[0] for g in gaps)])
        if backoff is None:
            continue
        for gap, lo, hi, event in gaps:
            late = gap - lagged_s(case, lo, hi) if gap > pass_up_to_s(backoff.cap_s) else gap
            grey |= late > pass_up_to_s(backoff.cap_s)
            if late > fail_beyond_s(backoff.cap_s):
                cut_off |= operation.over_budget is not None
                findings.append(Finding(operation.ref, (event,), f"a delay of {gap:.2f} s, the cap is "
                                        f"{backoff.cap_s:g} s", _MEND))
    return findings, grey, longest, cut_off


def _unfinished(case: Case, operation: Operation) -> list[tuple[float, int, int, int]]:
    """The wait in which an operation was cut off: that much longer than its delay at least."""
    last = operation.attempts[-1] if operation.attempts else None
    if (operation.over_budget is None or last is None or not last.complete or last.end_hi_ns is None
            or last.status != 503 or last.answer_header("retry-after") is not None):
        return []
    until = operation.over_budget.lo_ns
    return [((until - last.end_hi_ns) / 1e9, last.end_hi_ns, until, operation.over_budget.index)]


RTY005 = Invariant("RTY005", "backoff-grows-and-caps", "RTY", "minor", check)
