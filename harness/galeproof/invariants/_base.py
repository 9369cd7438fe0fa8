"""What an invariant is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from galeproof.invariants._case import Case
from galeproof.model import Verdict

__all__ = ["Invariant"]


@dataclass(frozen=True, slots=True)
class Invariant:
    """One named property. Its page is the docstring of ``check``."""

    code: str
    name: str
    family: str
    severity: str
    check: Callable[[Case], Verdict]
