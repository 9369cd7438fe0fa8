"""The gaps between the attempts of an operation, as intervals, in s."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from galeproof.invariants._case import transient
from galeproof.model.exchange import Exchange, Operation

__all__ = ["Gap", "gaps_of", "resent", "same_request"]

_AT_ONCE_NS = 20_000_000


@dataclass(frozen=True, slots=True)
class Gap:
    """The wait after a failed attempt: its end until the next one's start. ``lo_s <= hi_s``."""

    before: Exchange
    after: Exchange
    lo_s: float
    hi_s: float


def gaps_of(operation: Operation) -> list[Gap]:
    """Return the gaps before the retries of one operation.

    A redirect that is followed, a new request after a success, and one silent resend on a stale
    connection are no retries; an attempt whose end nobody saw gives no gap.
    """
    found = []
    for before, after in itertools.pairwise(operation.attempts):
        ends = _ended_ns(before)
        if ends is None or not transient(before) or resent(before, after):
            continue
        lo, hi = ends
        found.append(Gap(before, after, max(0, after.start_lo_ns - hi) / 1e9,
                         max(0, after.start_lo_ns - lo) / 1e9))
    return found


def _ended_ns(attempt: Exchange) -> tuple[int, int] | None:
    """When an attempt ended for the client: the last byte, the close, or its own leaving."""
    if (attempt.complete or attempt.closed is not None) and attempt.end_lo_ns is not None:
        return attempt.end_lo_ns, attempt.end_hi_ns or attempt.end_lo_ns
    if attempt.client_left_ns is not None:
        return attempt.client_left_ns, attempt.client_left_ns
    return None


def resent(first: Exchange, second: Exchange) -> bool:
    """A resend on a fresh connection after a reused, idle one ended without an answer byte."""
    return (first.nth > 1 and first.closed is not None and not first.answered_bytes
            and second.nth == 1 and first.end_hi_ns is not None
            and second.start_lo_ns - first.end_hi_ns < _AT_ONCE_NS)


def same_request(first: Exchange, second: Exchange) -> bool:
    """Whether both ask for the same: method and path (a token or a look-up asks for another)."""
    return (first.method == second.method
            and first.target.partition("?")[0] == second.target.partition("?")[0])
