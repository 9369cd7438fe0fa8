"""How long the sound answers of a history took, by endpoint, as the tap saw them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from galeproof.model.attribution import attribute
from galeproof.model.exchange import Exchange
from galeproof.model.history import History

__all__ = ["attempt_durations"]

_BUSY = frozenset({408, 429})
_LETTERS = re.compile("[A-Za-z_.~-]+")


def attempt_durations(history: History) -> tuple[dict[str, list[float]], int]:
    """Return the duration of each attempt that met no fault.

    From the first byte of the request to the last byte of the answer: the longest that a client can
    have seen. Left out are attempts whose fault was planned (a cut, a status, a toxic), that were not
    answered whole, or that were refused for a passing reason (408, 429, 5xx).

    Returns:
        Durations in seconds by endpoint (`GET /payments/{}`), and how many attempts were left out.
    """
    found: dict[str, list[float]] = {}
    left_out = 0
    attribution = attribute(history)
    named = [(a, o.ref) for o in attribution.operations for a in o.attempts]
    named += [(a, "") for a in (*attribution.strays, *attribution.ambiguous)]
    for attempt, ref in named:
        if not _sound(attempt) or attempt.end_hi_ns is None:
            left_out += 1
            continue
        took_s = (attempt.end_hi_ns - attempt.start_lo_ns) / 1e9
        found.setdefault(_endpoint(attempt, ref), []).append(took_s)
    return found, left_out


def _sound(attempt: Exchange) -> bool:
    status = attempt.status
    return (attempt.complete and attempt.word == "ok" and attempt.lane == "clean"
            and attempt.unplanned is None and not attempt.opaque
            and status is not None and status < 500 and status not in _BUSY)


def _endpoint(attempt: Exchange, ref: str) -> str:
    """Return method and path with every part that looks like an id taken out."""
    parts = urlsplit(attempt.target).path.split("/")
    shown = [part if not part or (part != ref and _LETTERS.fullmatch(part)) else "{}" for part in parts]
    return f"{attempt.method} {'/'.join(shown)}"
