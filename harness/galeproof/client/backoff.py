"""Capped exponential backoff with jitter."""

from __future__ import annotations

from random import Random
from typing import Literal

__all__ = ["backoff_ceiling_s", "backoff_s"]


def backoff_ceiling_s(retry: int, *, base_s: float, factor: float, cap_s: float) -> float:
    """Return the longest wait before a retry.

    Args:
        retry: the retry's number, 1 for the first.
        base_s: ceiling of the first wait, in seconds.
        factor: growth per retry, at least 1.
        cap_s: upper bound, in seconds.

    Returns:
        Seconds, at most `cap_s`.
    """
    try:
        return min(cap_s, base_s * factor ** (retry - 1))
    except OverflowError:
        return cap_s


def backoff_s(
    rng: Random,
    retry: int,
    *,
    base_s: float,
    factor: float,
    cap_s: float,
    jitter: Literal["full", "equal"] = "full",
) -> float:
    """Draw a wait before a retry.

    The dice are rolled after the cap is applied, so that the jitter survives at the cap
    ("full" and "equal" jitter: AWS Architecture Blog, "Exponential Backoff And Jitter").

    Args:
        rng: the random stream to draw from.
        retry: the retry's number, 1 for the first.
        base_s: ceiling of the first wait, in seconds.
        factor: growth per retry, at least 1.
        cap_s: upper bound, in seconds.
        jitter: full, between 0 and the ceiling; equal, over the upper half.

    Returns:
        Seconds in [0, ceiling).
    """
    ceiling_s = backoff_ceiling_s(retry, base_s=base_s, factor=factor, cap_s=cap_s)
    drawn_s = rng.random() * ceiling_s
    return drawn_s if jitter == "full" else (ceiling_s + drawn_s) / 2
