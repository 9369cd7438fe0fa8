"""The retry budget: retries in proportion to successes, whatever one operation is allowed."""

from __future__ import annotations

import threading

from galeproof.client.sections import BudgetSettings

__all__ = ["RetryBudget"]


class RetryBudget:
    """A bucket of tokens that retries spend and successes refill; safe between threads.

    In a total outage retries end after capacity / cost of them (AWS SDKs, "standard" retry mode;
    gRFC A6, retry throttling).

    Args:
        settings: capacity, cost and refund, in tokens.
    """

    def __init__(self, settings: BudgetSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._left = settings.capacity

    @property
    def left(self) -> float:
        """Tokens left."""
        return self._left

    def take(self) -> bool:
        """Pay for one retry; False when it cannot be paid."""
        with self._lock:
            if self._left < self._settings.cost:
                return False
            self._left -= self._settings.cost
            return True

    def succeeded(self, *, retried: bool) -> None:
        """Give back for a success."""
        settings = self._settings
        if self._left >= settings.capacity:
            return
        with self._lock:
            back = settings.cost if retried else settings.refund
            self._left = min(settings.capacity, self._left + back)
