"""The one place of the harness that reads a clock or sleeps."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

__all__ = ["now_ns", "pause", "set_timezone", "sleep", "wall_at_s", "wall_s"]


def now_ns() -> int:
    """Return CLOCK_MONOTONIC in ns: common to all processes of one machine."""
    return time.monotonic_ns()


def wall_s() -> float:
    """Return the wall clock in s since the epoch; only for dates."""
    return time.time()


def wall_at_s(at_ns: int) -> float:
    """Return what the wall clock said at an instant of ``now_ns``, in s since the epoch."""
    return wall_s() - (now_ns() - at_ns) / 1e9


async def sleep(delay_s: float) -> None:
    """Sleep in the running loop."""
    await asyncio.sleep(delay_s)


def pause(delay_s: float) -> None:
    """Block this thread."""
    time.sleep(delay_s)


def set_timezone(name: str) -> Callable[[], None]:
    """Set this process's time zone.

    Args:
        name: As in the TZ variable, for instance ``Asia/Tokyo``.

    Returns:
        What sets it back.
    """
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()

    def restore() -> None:
        if before is None:
            os.environ.pop("TZ", None)
        else:
            os.environ["TZ"] = before
        time.tzset()

    return restore
