"""Narrow, wide, immediate, at the cap: what the delays before one retry look like."""

from __future__ import annotations

from collections.abc import Sequence

from galeproof.invariants._case import Case
from galeproof.invariants.jit._delays import IMMEDIATE_S, Delays, Noise
from galeproof.model import Finding

__all__ = ["NARROW", "at_cap", "before", "finding", "immediate_s", "narrow", "wide"]

NARROW, _WIDE = 0.8, 0.6
_MEND = ("draw every delay anew: delay = random() * min(cap, base * 2 ** n) (urllib3: "
         "Retry(backoff_jitter=...); tenacity: wait_random_exponential)")


def narrow(delays: Delays, noise: Noise) -> bool:
    """Whether they are one delay, and the window is short enough to tell."""
    return delays.share(noise.tau_s) >= NARROW and noise.tau_s <= 0.05 * delays.median_s


def wide(delays: Delays, noise: Noise) -> bool:
    """Whether they are drawn: spread, and by more than noise makes."""
    return delays.share(noise.tau_s) <= _WIDE and (
        delays.width_s >= max(0.1 * delays.median_s, 3 * noise.spread_s))


def immediate_s(case: Case) -> float:
    """Return the delay, in s, below which a retry is no wait."""
    base = case.profile.backoff.base_s if case.profile.backoff else 0.0
    return max(IMMEDIATE_S, 0.02 * base)


def before(delays: Delays, all_delays: Sequence[Delays]) -> Delays | None:
    """Return the delays before the retry before, of the same operations."""
    return next((d for d in all_delays if (d.group, d.batch, d.index) == (
        delays.group, delays.batch, delays.index - 1)), None)


def at_cap(case: Case, delays: Delays, all_delays: Sequence[Delays], within: float = 0.05) -> bool:
    """Whether the backoff no longer grows: declared so, or seen to be so.

    Args:
        case: What is judged.
        delays: Those in question.
        all_delays: Where the ones before them are found.
        within: By how much two medians may differ that are called equal, as a share.
    """
    backoff = case.profile.backoff
    if backoff is not None:
        return bool(backoff.base_s * backoff.factor ** min(delays.index - 1, 64) >= backoff.cap_s)
    last = before(delays, all_delays)
    return last is not None and last.median_s >= immediate_s(case) and (
        abs(delays.median_s - last.median_s) <= within * delays.median_s)


def finding(delays: Delays, noise: Noise, mend: str = _MEND) -> Finding:
    """Say how many of the delays lie how near to one another."""
    share = delays.share(noise.tau_s)
    return Finding(
        None, delays.evidence,
        f"{delays.group[0]}, retry {delays.index}: {round(share * len(delays.values))} of "
        f"{len(delays.values)} delays within {1000 * noise.tau_s:.0f} ms, around "
        f"{delays.median_s:.3f} s", mend)
