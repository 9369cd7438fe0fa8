"""Reading the Retry-After header in both of its forms."""

from __future__ import annotations

import re
from datetime import UTC, datetime

__all__ = ["parse_http_date", "parse_retry_after"]

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_DATE_FORMS = (
    re.compile(rf"{_DAY}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT"),
    re.compile(rf"{_LONG_DAY}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT"),
    re.compile(rf"{_DAY} {_MONTH} (?P<day>[0-9 ][0-9]) {_TIME} (?P<year>[0-9]{{4}})"),
)
_SECONDS = re.compile("[0-9]+")
# Longer digit strings all mean "never"; int() itself refuses some of them.
_MOST_DIGITS = 12


def parse_retry_after(value: str | None, *, wall_s: float) -> float | None:
    """Read a Retry-After value (RFC 9110, 10.2.3 and 5.6.7).

    Args:
        value: the header's value, or None when it is absent.
        wall_s: now, in seconds since the Unix epoch, against which a date is measured.

    Returns:
        Seconds to wait, 0.0 for a date in the past, or None for an absent or invalid value.
    """
    if value is None:
        return None
    text = value.strip(" \t")
    if _SECONDS.fullmatch(text):
        return float(int(text)) if len(text) <= _MOST_DIGITS else 10.0**_MOST_DIGITS
    instant_s = parse_http_date(text, wall_s=wall_s)
    return None if instant_s is None else max(0.0, instant_s - wall_s)


def parse_http_date(value: str, *, wall_s: float) -> float | None:
    """Read an HTTP-date in any of its three forms (RFC 9110, 5.6.7).

    Args:
        value: the text.
        wall_s: now, in seconds since the Unix epoch, against which a two-digit year is read.

    Returns:
        Seconds since the Unix epoch, or None for anything else.
    """
    text = value.strip(" \t")
    for form in _DATE_FORMS:
        match = form.fullmatch(text)
        if match:
            return _epoch_s(match, wall_s)
    return None


def _epoch_s(match: re.Match[str], wall_s: float) -> float | None:
    """Turn a matched date into seconds since the epoch, None when there is no such day."""
    year = int(match["year"])
    if len(match["year"]) == 2:
        # RFC 9110, 5.6.7: a two-digit year over 50 years ahead lies in the past.
        this_year = datetime.fromtimestamp(wall_s, UTC).year
        year += this_year - this_year % 100
        if year > this_year + 50:
            year -= 100
    second = int(match["second"])
    leap = 1 if second == 60 else 0
    try:
        instant = datetime(
            year,
            _MONTHS.index(match["month"]) + 1,
            int(match["day"]),
            int(match["hour"]),
            int(match["minute"]),
            second - leap,
            tzinfo=UTC,
        )
    except ValueError:
        return None
    return instant.timestamp() + leap
