"""One central policy for several vendor clients: their retries draw on one budget."""

from __future__ import annotations

import threading
from random import Random

from galeproof.client.budget import RetryBudget
from galeproof.client.clock import system_random
from galeproof.client.gate import Gate
from galeproof.client.sections import BudgetSettings
from galeproof.client.settings import ClientSettings
from galeproof.client.urls import origin_of

__all__ = ["SharedPolicy", "dependency_of"]


class SharedPolicy:
    """Give one to several clients, async or blocking, and they behave as one caller.

    All share the retry budget. Clients of one dependency (setting `dependency`, else the origin)
    share breaker and throttle too, and one's Retry-After holds back the others.

    Args:
        budget: section of the budget; the defaults when it is None.
        rng: dice; the operating system's by default.
        coordinate: False to let each operation keep to its own Retry-After only.
    """

    def __init__(
        self,
        budget: BudgetSettings | None = None,
        *,
        rng: Random | None = None,
        coordinate: bool = True,
    ) -> None:
        self.budget = RetryBudget(budget if budget is not None else BudgetSettings())
        self._rng = rng if rng is not None else system_random()
        self._coordinate = coordinate
        self._lock = threading.Lock()
        self._gates: dict[str, Gate] = {}

    def gate(self, settings: ClientSettings) -> Gate:
        """Return the gate of the settings' dependency; the first client's settings shape it."""
        name = dependency_of(settings)
        with self._lock:
            if name not in self._gates:
                self._gates[name] = Gate(
                    settings, self.budget, self._rng, coordinate=self._coordinate
                )
            return self._gates[name]


def dependency_of(settings: ClientSettings) -> str:
    """Return the dependency's name: as set, else host and port."""
    if settings.dependency:
        return settings.dependency
    _, host, port = origin_of(settings.base_url)
    return f"{host}:{port}"
