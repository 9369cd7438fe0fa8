"""The circuit breaker of one dependency: closed, open, half-open with limited probes."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Literal

from galeproof.client.sections import BreakerSettings

__all__ = ["Breaker", "Permit"]

State = Literal["closed", "half_open", "open"]
# A fleet that broke together must not probe together.
_SPREAD = 0.1


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave for one attempt; `era` tells which state of the breaker gave it."""

    era: int


class Breaker:
    """Counts attempts and stops them while most fail; safe to share between threads.

    Every permit must come back by `record` or `abandon`. What comes back from an earlier state is
    ignored: an attempt that began before the breaker opened says nothing about a probe.

    Args:
        settings: when to open, for how long, and how to probe.
        rng: spreads the end of the open period.
    """

    def __init__(self, settings: BreakerSettings, rng: Random) -> None:
        self._settings = settings
        self._rng = rng
        self._lock = threading.Lock()
        self._state: State = "closed"
        self._permit = Permit(0)
        self._open_until_s = 0.0
        self._in_flight = 0
        self._successes = 0
        self._failures = 0
        self._calls: deque[tuple[float, bool]] = deque()

    @property
    def state(self) -> State:
        """The state, as of the last attempt."""
        return self._state

    def remaining_s(self, now_s: float) -> float:
        """Return how long it stays open, 0.0 when it is not."""
        return max(0.0, self._open_until_s - now_s) if self._state == "open" else 0.0

    def admit(self, now_s: float) -> Permit | None:
        """Ask for leave to make an attempt.

        Args:
            now_s: the monotonic clock.

        Returns:
            A permit, or None when the attempt must not be made.
        """
        with self._lock:
            if self._state == "closed":
                return self._permit
            if self._state == "open":
                if now_s < self._open_until_s:
                    return None
                self._enter("half_open")
            if self._in_flight >= self._settings.probes:
                return None
            self._in_flight += 1
            return self._permit

    def record(self, permit: Permit, *, ok: bool, now_s: float) -> None:
        """Give a permit back with the end of its attempt."""
        with self._lock:
            if permit.era != self._permit.era:
                return
            if self._state == "closed":
                self._count(ok, now_s)
            elif self._state == "half_open":
                self._in_flight -= 1
                self._probed(ok, now_s)

    def abandon(self, permit: Permit) -> None:
        """Give a permit back whose attempt showed nothing (cancelled, never sent)."""
        with self._lock:
            if permit.era == self._permit.era and self._state == "half_open":
                self._in_flight -= 1

    def _count(self, ok: bool, now_s: float) -> None:
        settings, calls = self._settings, self._calls
        calls.append((now_s, ok))
        self._failures += not ok
        oldest_s = now_s - settings.window_s
        while len(calls) > settings.calls or calls[0][0] < oldest_s:
            self._failures -= not calls.popleft()[1]
        full = len(calls) >= settings.calls
        if not ok and full and self._failures >= settings.ratio * len(calls):
            self._open(now_s)

    def _probed(self, ok: bool, now_s: float) -> None:
        if not ok:
            self._open(now_s)
            return
        self._successes += 1
        if self._successes >= self._settings.probes:
            self._enter("closed")

    def _open(self, now_s: float) -> None:
        self._open_until_s = now_s + self._settings.open_s * (1 + _SPREAD * self._rng.random())
        self._enter("open")

    def _enter(self, state: State) -> None:
        self._state = state
        self._permit = Permit(self._permit.era + 1)
        self._in_flight = self._successes = self._failures = 0
        self._calls.clear()
