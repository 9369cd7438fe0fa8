"""The adaptive throttle: fewer attempts while the provider answers 429 and 503."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from random import Random

from galeproof.client.sections import ThrottleSettings

__all__ = ["Throttle"]

_SLICES = 30


@dataclass(slots=True)
class _Slice:
    """What happened in one slice of the window, which began at `at_s`."""

    at_s: float
    asked: int = 0
    refused: int = 0


class Throttle:
    """Holds attempts back with a chance that grows with the share of refusals.

    The chance is (asked - ratio * accepted) / (asked + 1), over a sliding window (SRE book,
    chapter 21); what is held back counts as asked, and some always pass, so that recovery is seen.

    Args:
        settings: window, ratio, and how many attempts it takes before it acts.
        rng: the dice.
    """

    def __init__(self, settings: ThrottleSettings, rng: Random) -> None:
        self._settings = settings
        self._rng = rng
        self._lock = threading.Lock()
        self._slice_s = settings.window_s / _SLICES
        self._slices: deque[_Slice] = deque()
        self._asked = 0
        self._refused = 0

    def chance(self) -> float:
        """Return the share of attempts that is held back now."""
        if self._asked < self._settings.calls or not self._refused:
            return 0.0
        accepted = self._asked - self._refused
        return max(0.0, (self._asked - self._settings.ratio * accepted) / (self._asked + 1))

    def admit(self, now_s: float) -> bool:
        """Ask for leave to make an attempt; it counts in any case."""
        with self._lock:
            now = self._slide(now_s)
            chance = self.chance()
            held = chance > 0 and self._rng.random() < chance
            now.asked += 1
            self._asked += 1
            if held:
                now.refused += 1
                self._refused += 1
            return not held

    def refused(self, now_s: float) -> None:
        """Count an admitted attempt that was answered 429 or 503."""
        with self._lock:
            self._slide(now_s).refused += 1
            self._refused += 1

    def forget(self) -> None:
        """Begin anew, for the provider was seen to be well."""
        with self._lock:
            self._slices.clear()
            self._asked = self._refused = 0

    def _slide(self, now_s: float) -> _Slice:
        """Drop what is older than the window; return the slice of now."""
        slices = self._slices
        if not slices or now_s - slices[-1].at_s >= self._slice_s:
            slices.append(_Slice(now_s))
        while now_s - slices[0].at_s > self._settings.window_s:
            old = slices.popleft()
            self._asked -= old.asked
            self._refused -= old.refused
        return slices[-1]
