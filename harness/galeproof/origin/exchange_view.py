"""What the origin is told of an exchange, and whom it tells how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Director", "View"]


@dataclass(frozen=True, slots=True)
class View:
    """One exchange as the schedule has it."""

    marker: str | None
    attempt: int
    step: Mapping[str, Any]


class Director(Protocol):
    """The world, as the origin sees it."""

    def view(self, number: int) -> View:
        """Return the exchange of that number."""

    def phase(self, number: int, total: int, close: str | None) -> None:
        """Hear that an answer has reached ``total`` bytes, and how it ends."""
