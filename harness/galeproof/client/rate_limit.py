"""Reading RateLimit fields: how many requests are left, and when there are more."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["exhausted_s"]

# One member of the list: a policy's name as string or token, then its parameters.
_MEMBER = re.compile(r"""\s*(?:"[^"\\]*"|[A-Za-z*][\w:/*.!#$%&'^`|~+-]*)((?:\s*;[^,;]*)*)\s*""")
_NUMBER = re.compile("[0-9]{1,15}")
_PAIRS = (
    ("ratelimit-remaining", "ratelimit-reset"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("x-rate-limit-remaining", "x-rate-limit-reset"),
)
# A reset beyond this is an instant, not a wait.
_EPOCH_S = 1_000_000_000


def exhausted_s(headers: Mapping[str, str], *, wall_s: float) -> float | None:
    """Tell how long the quota stays exhausted (draft-ietf-httpapi-ratelimit-headers-10).

    Args:
        headers: of an answer, names in lower case.
        wall_s: now, in seconds since the Unix epoch, for the older fields that give an instant.

    Returns:
        Seconds until there is quota again; None when there is some left, or nothing readable.
    """
    field = headers.get("ratelimit")
    if field is not None:
        return _of_field(field)
    for remaining, reset in _PAIRS:
        left, until = headers.get(remaining), headers.get(reset)
        if left is None or until is None:
            continue
        left, until = left.strip(), until.strip()
        if not _NUMBER.fullmatch(left) or not _NUMBER.fullmatch(until) or int(left) > 0:
            return None
        wait_s = float(until)
        return max(0.0, wait_s - wall_s) if wait_s >= _EPOCH_S else wait_s
    return None


def _of_field(field: str) -> float | None:
    """Read `"default";r=0;t=2`; the longest wait of several policies counts."""
    waits: list[float] = []
    for member in field.split(","):
        match = _MEMBER.fullmatch(member)
        if match is None:
            return None
        pairs = [pair.partition("=") for pair in match[1].split(";") if pair.strip()]
        found = {name.strip(): value.strip() for name, _, value in pairs}
        left, wait = found.get("r", ""), found.get("t", "")
        if not _NUMBER.fullmatch(left) or (wait and not _NUMBER.fullmatch(wait)):
            return None
        if int(left) == 0 and wait:
            waits.append(float(wait))
    return max(waits, default=None)
