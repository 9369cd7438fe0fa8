"""A subject as a run needs it: how to make a fresh instance, and its profile."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from galeproof.errors import SubjectError
from galeproof.model import Profile
from galeproof.subject import DriverInstance, Instance, LocalInstance
from galeproof.subject.description import check_target, describe

__all__ = ["Subject", "subject_of"]


@dataclass(frozen=True, slots=True)
class Subject:
    """A named client under test. ``target`` is how a replay finds it again, or None."""

    name: str
    make: Callable[[], Instance]
    profile: Profile
    target: str | None = None
    in_process: bool = True

    def logging_to(self, path: Path) -> Subject:
        """Return this subject with the stderr of its process kept in a file."""
        target = self.target
        if target is None:
            return self
        return dataclasses.replace(self, make=lambda: DriverInstance.of_target(target, path))


def subject_of(target: Any, profile: Profile | None = None, name: str | None = None) -> Subject:
    """Make a subject of an adapter class, a function, or ``module:attribute``.

    A string runs in a process of its own, and is imported there only; a class or function runs in
    this one.

    Raises:
        SubjectError: It is no adapter, or no ``module:attribute``.
    """
    given = profile or Profile()
    if isinstance(target, str):
        check_target(target)
        return Subject(name or target, lambda: DriverInstance.of_target(target), given, target,
                       in_process=False)
    told = describe(target)
    if not callable(target):
        raise SubjectError(f"subject {told.name}: expected a class or a function")
    return Subject(name or told.name, lambda: LocalInstance(target), given)
