"""The seam to time and chance: the only place of the client that touches the real ones."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from contextlib import AbstractAsyncContextManager
from typing import Protocol

__all__ = ["Clock", "SystemClock", "new_id", "system_random"]


class Clock(Protocol):
    """What the client needs to know about time."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...

    def wall(self) -> float:
        """Return seconds since the Unix epoch."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Wait for `delay_s` seconds."""
        ...

    def limit(self, budget_s: float) -> AbstractAsyncContextManager[object]:
        """Cancel the body after `budget_s` seconds and raise TimeoutError then."""
        ...


class SystemClock:
    """The machine's clocks and asyncio's timers."""

    def monotonic(self) -> float:
        """Return `time.monotonic()`."""
        return time.monotonic()

    def wall(self) -> float:
        """Return `time.time()`."""
        return time.time()

    async def sleep(self, delay_s: float) -> None:
        """Sleep on the running asyncio loop."""
        await asyncio.sleep(delay_s)

    def limit(self, budget_s: float) -> AbstractAsyncContextManager[object]:
        """Return `asyncio.timeout(budget_s)`."""
        return asyncio.timeout(budget_s)


def system_random() -> random.Random:
    """Return the operating system's dice, which stay independent after a fork."""
    return random.SystemRandom()


def new_id() -> str:
    """Return a fresh UUID4 as text."""
    return str(uuid.uuid4())
