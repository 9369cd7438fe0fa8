"""The seam to time and chance: the only place of the client that touches the real ones."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from contextvars import ContextVar
from typing import Protocol

__all__ = [
    "BlockingClock",
    "BlockingSystemClock",
    "Clock",
    "Now",
    "SystemClock",
    "left_of_limit_s",
    "new_id",
    "system_random",
]


class Now(Protocol):
    """Reading time, without waiting for it."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...

    def wall(self) -> float:
        """Return seconds since the Unix epoch."""
        ...


class Clock(Now, Protocol):
    """What the client needs to know about time."""

    async def sleep(self, delay_s: float) -> None:
        """Wait for `delay_s` seconds."""
        ...

    def limit(self, budget_s: float) -> AbstractAsyncContextManager[object]:
        """Cancel the body after `budget_s` seconds and raise TimeoutError then."""
        ...


class BlockingClock(Now, Protocol):
    """What the blocking client needs to know about time."""

    def sleep(self, delay_s: float) -> None:
        """Wait for `delay_s` seconds."""
        ...

    def limit(self, budget_s: float) -> AbstractContextManager[object]:
        """Bound the waits of the body to `budget_s` seconds in all."""
        ...


class _SystemNow:
    def monotonic(self) -> float:
        """Return `time.monotonic()`."""
        return time.monotonic()

    def wall(self) -> float:
        """Return `time.time()`."""
        return time.time()


class SystemClock(_SystemNow):
    """The machine's clocks and asyncio's timers."""

    async def sleep(self, delay_s: float) -> None:
        """Sleep on the running asyncio loop."""
        await asyncio.sleep(delay_s)

    def limit(self, budget_s: float) -> AbstractAsyncContextManager[object]:
        """Return `asyncio.timeout(budget_s)`."""
        return asyncio.timeout(budget_s)


# Version 4 and variant 2 are fixed, the other 122 bits are free.
_UUID_FREE = (1 << 128) - 1 - (0xF << 76) - (0x3 << 62)
_UUID_FIXED = (0x4 << 76) | (0x2 << 62)
_LIMIT_AT_S: ContextVar[float | None] = ContextVar("galeproof_client_limit_at_s", default=None)


class BlockingSystemClock(_SystemNow):
    """The machine's clocks; a limit bounds every read and write of the sockets in its body."""

    def sleep(self, delay_s: float) -> None:
        """Sleep in this thread."""
        time.sleep(delay_s)

    def limit(self, budget_s: float) -> AbstractContextManager[object]:
        """Bound the waits of this thread: no thread can be cancelled, so each wait is cut."""
        return _limited(time.monotonic() + budget_s)


@contextlib.contextmanager
def _limited(at_s: float) -> Iterator[None]:
    outer = _LIMIT_AT_S.get()
    token = _LIMIT_AT_S.set(at_s if outer is None else min(outer, at_s))
    try:
        yield
    finally:
        _LIMIT_AT_S.reset(token)


def left_of_limit_s() -> float | None:
    """Return what remains of this thread's innermost limit, in seconds; None without one."""
    at_s = _LIMIT_AT_S.get()
    return None if at_s is None else at_s - time.monotonic()


def system_random() -> random.Random:
    """Return the operating system's dice, which stay independent after a fork."""
    return random.SystemRandom()


def new_id() -> str:
    """Return a fresh UUID4 as text (RFC 9562, 5.4); `uuid` takes three times as long."""
    bits = int.from_bytes(os.urandom(16))
    text = f"{bits & _UUID_FREE | _UUID_FIXED:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
