"""HTTP dates in their three formats (RFC 9110, 5.6.7)."""

from __future__ import annotations

import calendar
import re
from email.utils import parsedate_tz

__all__ = ["AGES_S", "FORMS", "http_date"]

AGES_S = 1e9  # what is further ahead is no date to wait for, but a slip (RAF003)

_DAY, _MONTH, _TIME = "[A-Z][a-z]{2}", "[A-Z][a-z]{2}", r"\d\d:\d\d:\d\d"
FORMS = {
    "IMF-fixdate": re.compile(rf"{_DAY}, \d\d {_MONTH} \d{{4}} {_TIME} GMT"),
    "rfc850": re.compile(rf"[A-Z][a-z]{{5,8}}, \d\d-{_MONTH}-\d\d {_TIME} GMT"),
    "asctime": re.compile(rf"{_DAY} {_MONTH} [ \d]\d {_TIME} \d{{4}}"),
}


def http_date(value: str | None) -> tuple[str, float] | None:
    """Return a date's format and its instant in s since the epoch; None where it is no HTTP date."""
    text = (value or "").strip()
    for form, pattern in FORMS.items():
        parsed = parsedate_tz(text) if pattern.fullmatch(text) else None
        if parsed:
            return form, float(calendar.timegm((*parsed[:6], 0, 0, 0)))
    return None
