"""The kind of a backoff from its delays: bounds before each retry, and the law behind them. Pure."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Backoff", "Bounds", "backoff_of", "bounds_of", "layers_of"]

_NOISE_S = 0.03
_FLAT = 0.08
_ENOUGH = 5


@dataclass(frozen=True, slots=True)
class Bounds:
    """The delays before one retry: between ``lo_s`` and ``hi_s``, as far as ``n`` of them tell;
    ``inner_s`` is the width without the tenth at each end."""

    lo_s: float
    hi_s: float
    median_s: float
    inner_s: float
    n: int


@dataclass(frozen=True, slots=True)
class Backoff:
    """What the delays follow.

    Attributes:
        base_s: The nominal delay before the first retry that waits.
        factor: By which it grows; None where only one delay was seen.
        cap_s: The largest nominal delay; ``capped`` tells whether it was reached.
        jitter: ``none``, ``full``, ``equal``, a number p (plus or minus), or in words (``minus 0.25``,
            ``plus up to 1 s``).
        first_at_once: The first retry does not wait.
    """

    base_s: float
    factor: float | None
    cap_s: float
    capped: bool
    jitter: str | float
    first_at_once: bool


def bounds_of(delays: Sequence[float]) -> Bounds:
    """Estimate the ends of an even distribution: beyond the smallest and largest by what n leaves out."""
    ordered = sorted(delays)
    n = len(ordered)
    more = (ordered[-1] - ordered[0]) / (n - 1) if n > 1 else 0.0
    inner = ordered[n - 1 - n // 10] - ordered[n // 10]
    return Bounds(max(0.0, ordered[0] - more), ordered[-1] + more, statistics.median(ordered), inner, n)


def backoff_of(gaps: Mapping[int, Sequence[float]]) -> Backoff | None:
    """Read the law.

    Args:
        gaps: By retry (from 1), the delays in s.

    Returns:
        None where no retry waits, or too few delays were seen.
    """
    bounds = [bounds_of(values) for _, values in sorted(gaps.items()) if len(values) >= _ENOUGH]
    waiting = [b for b in bounds if b.median_s >= _NOISE_S]
    at_once = bool(bounds) and bounds[0].median_s < _NOISE_S and (
        len(bounds) < 2 or bounds[0].median_s < 0.2 * bounds[1].median_s)
    if not waiting:
        return None
    jitter = _jitter(waiting)
    nominal = [_nominal(b, jitter) for b in waiting]
    growing = [b / a for a, b in itertools.pairwise(nominal) if b > a * (1 + _FLAT)]
    capped = len(nominal) > 1 and nominal[-1] <= nominal[-2] * (1 + _FLAT)
    factor = statistics.median(growing[: max(1, len(growing) - 1)]) if growing else (
        1.0 if len(nominal) > 1 else None)
    return Backoff(nominal[0], factor, max(nominal), capped, jitter, at_once)


def _jitter(waiting: Sequence[Bounds]) -> str | float:
    ratios = [b.lo_s / b.hi_s for b in waiting]
    ratio = min(ratios)  # some libraries have a least wait, which hides the jitter of the first
    widths = [b.hi_s - b.lo_s for b in waiting]
    if all(b.inner_s <= max(_NOISE_S, 0.05 * b.hi_s) for b in waiting):
        return "none"
    grows = waiting[-1].hi_s > 1.5 * waiting[0].hi_s
    if grows and len(waiting) > 1 and max(widths) < 1.3 * min(widths) and ratios[-1] > ratios[0] + 0.1:
        return f"plus up to {round(statistics.median(widths), 2):g} s"
    if ratio < 0.25:
        return "full"
    if 0.42 <= ratio <= 0.58:
        return "equal"
    spread = (1 - ratio) / (1 + ratio)
    # which figure was typed, the upper end or the middle?
    if sum(_round(b.hi_s) for b in waiting) > sum(_round((b.hi_s + b.lo_s) / 2) for b in waiting):
        return f"minus {round(1 - ratio, 2):g}"
    return round(spread, 2)


def _round(value: float) -> bool:
    """Whether a figure looks like one that somebody typed: near a multiple of a quarter second."""
    return abs(value * 4 - round(value * 4)) < 0.1 * max(1.0, value * 4) ** 0.5 and round(value * 4) > 0


def _nominal(bounds: Bounds, jitter: str | float) -> float:
    if jitter == "none":
        return bounds.median_s
    if isinstance(jitter, float):
        return (bounds.lo_s + bounds.hi_s) / 2
    if jitter.startswith("plus"):
        return bounds.lo_s
    return bounds.hi_s


def layers_of(medians: Sequence[float]) -> tuple[int, int] | None:
    """Find two layers of retries in the delays between ``len(medians) + 1`` attempts.

    Returns:
        (outer, inner) attempts, or None: the inner delays come back in each round of the outer layer.
    """
    attempts = len(medians) + 1
    for inner in range(2, attempts // 2 + 1):
        if attempts % inner:
            continue
        rounds = [medians[at : at + inner - 1] for at in range(0, len(medians), inner)]
        between = [medians[at] for at in range(inner - 1, len(medians), inner)]
        like = all(_near(a, b) for r in rounds[1:] for a, b in zip(rounds[0], r, strict=True))
        falls = inner > 1 and any(not _near(gap, rounds[0][-1]) for gap in between)
        if like and (falls or inner > 2) and not _rises(medians):
            return attempts // inner, inner
    return None


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= max(_NOISE_S, 0.35 * max(a, b))


def _rises(medians: Sequence[float]) -> bool:
    return all(b >= a * 0.9 for a, b in itertools.pairwise(medians))
