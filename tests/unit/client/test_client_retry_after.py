"""Reading Retry-After."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from galeproof.client.retry_after import parse_retry_after

NOW_S = 784111777.0  # Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0.0),
        ("3", 3.0),
        (" 120\t", 120.0),
        ("99999999999", 99999999999.0),
        ("9" * 5000, 1e12),
        ("Sun, 06 Nov 1994 08:49:41 GMT", 4.0),
        ("Sunday, 06-Nov-94 08:49:41 GMT", 4.0),
        ("Sun Nov  6 08:49:41 1994", 4.0),
        ("Sun, 06 Nov 1994 08:49:60 GMT", 23.0),
        ("Sun, 06 Nov 1994 08:49:30 GMT", 0.0),
        ("Saturday, 06-Nov-93 08:49:37 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253402300799.0 - NOW_S),
    ],
)
def test_valid_values_are_read(value: str, expected: float) -> None:
    """Seconds and all three date formats are read; a past date is 0."""
    assert parse_retry_after(value, wall_s=NOW_S) == expected


@pytest.mark.parametrize(
    "value",
    [None, "", "-1", "1.5", "1e3", "inf", "nan", "²", "٣", "soon", "2, 5", "+2", "1_0"]
    + ["Sun, 31 Feb 1994 08:49:41 GMT", "Sun, 06 Nov 1994 25:49:41 GMT"]
    + ["Sun, 06 Nov 1994 08:49:41", "Sun, 06 Nov 0000 08:49:41 GMT"],
)
def test_invalid_values_are_ignored(value: str | None) -> None:
    """Garbage reads as no header at all."""
    assert parse_retry_after(value, wall_s=NOW_S) is None


@given(st.text())
def test_no_text_crashes_the_reader(value: str) -> None:
    """Any text gives None or a number that is not negative."""
    result = parse_retry_after(value, wall_s=NOW_S)
    assert result is None or result >= 0
