"""The one place of the harness that reads a clock or sleeps."""

from __future__ import annotations

import asyncio
import time

__all__ = ["now_ns", "pause", "sleep", "wall_s"]


def now_ns() -> int:
    """Return CLOCK_MONOTONIC in ns: common to all processes of one machine."""
    return time.monotonic_ns()


def wall_s() -> float:
    """Return the wall clock in s since the epoch; only for dates."""
    return time.time()


async def sleep(delay_s: float) -> None:
    """Sleep in the running loop."""
    await asyncio.sleep(delay_s)


def pause(delay_s: float) -> None:
    """Block this thread."""
    time.sleep(delay_s)
