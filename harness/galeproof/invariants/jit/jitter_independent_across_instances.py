"""JIT004 jitter-independent-across-instances."""

from __future__ import annotations

import itertools
import statistics
from dataclasses import dataclass

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.jit._delays import ENOUGH, Noise, noise_of, quantile, refusals
from galeproof.invariants.jit._shape import NARROW, immediate_s
from galeproof.model import Finding, Outcome, Verdict

__all__ = ["JIT004"]

_TELL = Teller("JIT004", "jitter-independent-across-instances", "major", "share")
_ALIKE, _APART = 0.8, 0.6
_WIDTHS = 8  # the draws must be as many windows wide, or chance makes equals
_MEND = ("draw from the operating system (random.SystemRandom), or seed each process anew: no fixed "
         "seed, no clock in seconds, and a fresh seed after a fork")


@dataclass(frozen=True, slots=True)
class _Row:
    """The delays of one start of the client before one retry, in the order of its operations; and the
    events that end them."""

    number: int
    delays: tuple[float, ...]
    evidence: tuple[int, ...]


def check(case: Case) -> Verdict:
    """JIT004 jitter-independent-across-instances.

    What it does: starts the client in several processes at the same time and lets each do twenty
    operations, one after the other, that meet a 503. The delays of the first must not be those of
    the second: fewer than 16 of 20 within a window of tau.

    Why it is bad: a fleet is many processes of one image, started alike. If all draw the same delays,
    their jitter spreads nothing.

    Example: ``random.seed(42)``; a seed of the clock in seconds; a generator that every worker inherits
    over a fork.

    Use instead: ``random.SystemRandom()``, or a seed of the operating system's in each process.

    When it is unknown: fewer than two starts of the client, or fewer than 20 delays of each
    (not_exercised); the delays do not vary, which is JIT001's matter (not_exercised); they are too
    short for the noise here (noise).

    References: AWS REL05-BP03; Python, ``os.register_at_fork``.
    """
    noise = noise_of(case)
    rows = _rows(case)
    pairs = [(a, b) for key in rows for a, b in itertools.combinations(rows[key], 2)]
    if not pairs:
        return _TELL.unknown(case, case.doubt(), "one start of the client, or too few retries of each"
                             if rows else "")
    told = [_pair(case, a, b, noise) for a, b in pairs]
    failed = [v for v in told if v.outcome is Outcome.FAIL]
    if failed:
        worst = max(failed, key=lambda v: float(v.observed or 0))
        return _TELL.failed(case, [f for v in failed for f in v.findings], observed=worst.observed,
                            limit=_ALIKE, witnesses=worst.witnesses)
    order = (Outcome.UNKNOWN, Outcome.PASS)
    return min(told, key=lambda v: (order.index(v.outcome), v.reason != "noise", -float(v.observed or 0)))


def _rows(case: Case) -> dict[tuple[str, int], list[_Row]]:
    """By operation and retry, a row for each start that has enough delays."""
    found: dict[tuple[str, int], dict[int, list[tuple[float, int]]]] = {}
    for operation, pairs in refusals(case):
        start = int(operation.start.data.get("instance") or 1)
        for index, (first, second) in enumerate(pairs[:2], 1):
            gap = (second.start_lo_ns - (first.end_hi_ns or 0)) / 1e9
            found.setdefault((operation.name, index), {}).setdefault(start, []).append(
                (gap, second.evidence[0]))
    return {key: rows for key, starts in found.items() if (rows := [
        _Row(number, tuple(g for g, _ in gaps), tuple(e for _, e in gaps))
        for number, gaps in sorted(starts.items()) if len(gaps) >= ENOUGH
        and statistics.median(g for g, _ in gaps) >= immediate_s(case)])}


def _pair(case: Case, one: _Row, other: _Row, noise: Noise) -> Verdict:
    """Hold two starts against each other, delay by delay.

    Independent noise only takes equals apart: whoever is alike in a window shorter than the noise's is
    alike. Whoever is not, may be so for the noise alone.
    """
    count = min(len(one.delays), len(other.delays))
    ordered = sorted(one.delays[:count])
    width = quantile(ordered, 0.9) - quantile(ordered, 0.1)
    window = min(noise.tau_s, width / _WIDTHS)
    share, near = _near(one, other, window)
    middle = ordered[count // 2]
    if sum(abs(v - middle) <= noise.tau_s / 2 for v in ordered) / count >= NARROW:
        return _TELL.unknown(case, "not_exercised", "the delays of one process are all alike (JIT001)",
                             observed=share, limit=_ALIKE)
    if share >= _ALIKE:
        text = (f"start {one.number} and start {other.number} of the client: {near} of {count} delays "
                f"within {1000 * window:.0f} ms of each other, the first "
                f"{one.delays[0]:.3f} s and {other.delays[0]:.3f} s")
        return _TELL.failed(case, [Finding(None, (*one.evidence[:3], *other.evidence[:3]), text, _MEND)],
                            observed=share, limit=_ALIKE, witnesses=count)
    if width < _WIDTHS * noise.tau_s:
        return _TELL.unknown(case, "noise", f"delays spread over {1000 * width:.0f} ms and a window of "
                             f"{1000 * noise.tau_s:.0f} ms do not tell", observed=share, limit=_ALIKE)
    if share > _APART:
        return _TELL.unknown(case, "noise", "between pass and fail", observed=share, limit=_ALIKE)
    note = "" if case.history.header.get("fresh_process") else "both starts in one process"
    return _TELL.passed(case, count, observed=share, limit=_ALIKE, note=note)


def _near(one: _Row, other: _Row, window_s: float) -> tuple[float, int]:
    """Which share of the delays lie within the window of their fellows, and how many."""
    pairs = list(zip(one.delays, other.delays, strict=False))
    near = sum(abs(a - b) <= window_s for a, b in pairs)
    return round(near / len(pairs), 2), near


JIT004 = Invariant("JIT004", "jitter-independent-across-instances", "JIT", "major", check)
