"""Everything by which a request can be found again, built in one place.

Correlation id, `traceparent` (W3C Trace Context), User-Agent, and the deadline that is passed on.
"""

from __future__ import annotations

from random import Random

from galeproof.client.errors import InvalidArgument
from galeproof.client.settings import ClientSettings

__all__ = ["checked_id", "deadline_of", "identity_headers", "new_trace_id", "traceparent"]

_LONGEST = 255
_MOST_DIGITS = 9


def checked_id(name: str, value: str) -> str:
    """Return an id that fits into a header.

    Raises:
        InvalidArgument: it is empty, too long, or not visible ASCII.
    """
    sound = isinstance(value, str) and 1 <= len(value) <= _LONGEST
    if not sound or not (value.isascii() and value.isprintable()) or " " in value:
        raise InvalidArgument(f"{name}: must be 1 to {_LONGEST} visible ASCII characters")
    return value


def identity_headers(settings: ClientSettings, correlation_id: str) -> dict[str, str]:
    """Return the headers that say who asks and for which operation."""
    return {
        "User-Agent": settings.user_agent,
        settings.correlation_header: checked_id("correlation_id", correlation_id),
    }


def new_trace_id(rng: Random) -> str:
    """Return 32 hexadecimal digits, not all of them 0."""
    return f"{rng.getrandbits(128) or 1:032x}"


def traceparent(trace_id: str, rng: Random) -> str:
    """Return the header of an attempt that no span records: its own span id, not sampled."""
    return f"00-{trace_id}-{rng.getrandbits(64) or 1:016x}-00"


def deadline_of(header: str | None, *, local_s: float) -> float:
    """Return the budget of work done for a caller: min(local, what the caller has left).

    Args:
        header: the caller's deadline header, in milliseconds that remain, or None.
        local_s: our own budget, in seconds.

    Returns:
        Seconds, to be given as `deadline_s`; `local_s` when the header is absent or unreadable.
    """
    text = "" if header is None else header.strip()
    if not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS:
        return local_s
    # an operation must have some budget; it then fails at once, as it should
    return min(local_s, max(int(text), 1) / 1000)
