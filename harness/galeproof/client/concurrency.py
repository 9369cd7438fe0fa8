"""Waiting for one another, twice: for tasks of a loop, and for threads.

The blocking twin of the client is generated; these few classes are what it cannot be generated
from. Each pair has one interface.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from aiolimiter import AsyncLimiter

from galeproof.client.clock import BlockingClock, Clock, left_of_limit_s

__all__ = [
    "AsyncFlight",
    "AsyncPace",
    "AsyncSlots",
    "BlockingFlight",
    "BlockingPace",
    "BlockingSlots",
    "FlightEnded",
    "async_in_thread",
    "blocking_in_thread",
]

T = TypeVar("T")


class FlightEnded(Exception):
    """Internal: the flight that a caller waits for was ended; the caller itself was not."""


class AsyncFlight(Generic[T]):
    """Single flight: who comes while it is under way gets its result."""

    def __init__(self) -> None:
        self._task: asyncio.Task[T] | None = None

    async def join(self, start: Callable[[], Awaitable[T]]) -> T:
        """Return the result of the flight under way, or of `start()`.

        The flight is a task of its own: a caller that is cancelled does not take it down for the
        others.

        Raises:
            FlightEnded: it was ended by `cancel`.
        """
        task = self._task
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            task = self._task = asyncio.create_task(_call(start))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if not task.cancelled() or (caller is not None and caller.cancelling()):
                raise
        raise FlightEnded

    async def cancel(self) -> None:
        """End a flight that is under way."""
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task])


async def _call(start: Callable[[], Awaitable[T]]) -> T:
    return await start()


class BlockingFlight(Generic[T]):
    """Single flight for threads: the first flies, the others wait for its result."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._future: concurrent.futures.Future[T] | None = None

    def join(self, start: Callable[[], T]) -> T:
        """Return the result of the flight under way, or of `start()`.

        A flight that ended since the limit of its own thread passed, or since it broke, says
        nothing to the others: one of them flies next.

        Raises:
            TimeoutError: the limit of this thread passed while another thread was flying.
        """
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        while True:
            with self._lock:
                waited = self._future
                if waited is None:
                    self._future = future
                    break
            left_s = left_of_limit_s()
            with contextlib.suppress(FlightEnded):
                return waited.result(None if left_s is None else max(0.0, left_s))
        whole = False
        try:
            result = start()
            left_s = left_of_limit_s()
            whole = left_s is None or left_s > 0
        finally:
            # first out of the way, so that who is told to fly does not meet it again
            self._future = None
            if not whole:
                future.set_exception(FlightEnded())
        if whole:
            future.set_result(result)
        return result

    def cancel(self) -> None:
        """Do nothing: no thread can be cancelled, and the flight ends at its own deadline."""


class AsyncSlots:
    """A number of places; who finds none waits a while."""

    def __init__(self, limit: int, clock: Clock) -> None:
        self._clock = clock
        self._places = asyncio.Semaphore(limit)

    async def take(self, wait_s: float) -> bool:
        """Take a place, False when none became free within `wait_s` seconds."""
        if not self._places.locked():
            return await self._places.acquire()
        try:
            async with self._clock.limit(wait_s):
                return await self._places.acquire()
        except TimeoutError:
            return False

    def give(self) -> None:
        """Give the place back."""
        self._places.release()


class BlockingSlots:
    """A number of places for threads; who finds none waits a while."""

    def __init__(self, limit: int, clock: BlockingClock) -> None:
        self._places = threading.Semaphore(limit)

    def take(self, wait_s: float) -> bool:
        """Take a place, False when none became free within `wait_s` seconds."""
        return self._places.acquire(timeout=max(0.0, wait_s))

    def give(self) -> None:
        """Give the place back."""
        self._places.release()


class AsyncPace:
    """A rate: `burst` at once, then `per_s` a second (aiolimiter, on the loop's own clock)."""

    def __init__(self, per_s: float, burst: int, clock: Clock) -> None:
        self._limiter = AsyncLimiter(burst, burst / per_s)
        self._clock = clock

    async def take(self, wait_s: float) -> bool:
        """Wait for one's turn; False when it does not come within `wait_s` seconds."""
        try:
            async with self._clock.limit(wait_s):
                await self._limiter.acquire()
                return True
        except TimeoutError:
            return False


class BlockingPace:
    """A rate for threads: the same leaky bucket, on our clock."""

    def __init__(self, per_s: float, burst: int, clock: BlockingClock) -> None:
        self._clock = clock
        self._per_s = per_s
        self._burst = burst
        self._lock = threading.Lock()
        self._level = 0.0
        self._at_s = clock.monotonic()

    def take(self, wait_s: float) -> bool:
        """Wait for one's turn; False, at once, when it does not come within `wait_s` seconds."""
        with self._lock:
            now_s = self._clock.monotonic()
            self._level = max(0.0, self._level - (now_s - self._at_s) * self._per_s)
            self._at_s = now_s
            turn_s = max(0.0, (self._level + 1 - self._burst) / self._per_s)
            if turn_s > wait_s:
                return False
            self._level += 1
        if turn_s > 0:
            self._clock.sleep(turn_s)
        return True


async def async_in_thread(work: Callable[[], T]) -> T:
    """Run work that blocks beside the loop."""
    return await asyncio.to_thread(work)


def blocking_in_thread(work: Callable[[], T]) -> T:
    """Run work that blocks where blocking is the rule: here."""
    return work()
