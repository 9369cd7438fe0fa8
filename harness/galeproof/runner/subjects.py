"""A subject as a run needs it: how to make a fresh instance, and its profile."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from galeproof.errors import SubjectError
from galeproof.model import Profile
from galeproof.subject import (
    CommandInstance,
    DriverInstance,
    Foreign,
    Instance,
    LocalInstance,
    foreign_of,
)
from galeproof.subject.description import check_target, describe

__all__ = ["Subject", "subject_of"]


@dataclass(frozen=True, slots=True)
class Subject:
    """A named client under test.

    Attributes:
        name: As reports call it.
        make: Makes a fresh instance; where it has a process of its own, what that says goes into the
            file that is given.
        profile: What its owner promises.
        target: How a replay finds it again: ``module:attribute``, the settings of a command or a
            driver, or None.
        foreign: The command or driver that it is, or None.
        log: Given to ``make``.
    """

    name: str
    make: Callable[[Path | None], Instance]
    profile: Profile
    target: str | Mapping[str, Any] | None = None
    foreign: Foreign | None = None
    log: Path | None = None

    @property
    def in_process(self) -> bool:
        """Whether it runs in the harness's own process."""
        return self.target is None

    @property
    def cold(self) -> bool:
        """Whether each operation has a fresh process, whose start is not the client's time."""
        return self.foreign is not None and self.foreign.way == "exec"

    def instance(self) -> Instance:
        """Make a fresh instance."""
        return self.make(self.log)

    def logging_to(self, path: Path) -> Subject:
        """Return this subject with what its process says kept in a file."""
        return dataclasses.replace(self, log=path)


def subject_of(target: Any, profile: Profile | None = None, name: str | None = None,
               where: str = "subject") -> Subject:
    """Make a subject of an adapter class, a function, ``module:attribute``, or the settings of a
    command or a driver (``{"exec": "node client.js"}``).

    A string runs in a process of its own, and is imported there only; a class or function runs in
    this one.

    Raises:
        SubjectError: It is no adapter, no ``module:attribute``, or the settings are wrong.
    """
    given = profile or Profile()
    if isinstance(target, str):
        check_target(target)
        return Subject(name or target, lambda log: DriverInstance.of_target(target, log), given, target)
    if isinstance(target, Mapping):
        foreign = foreign_of(target, where)
        kind = CommandInstance if foreign.way == "exec" else DriverInstance.of_foreign
        return Subject(name or foreign.line, lambda log: kind(foreign, log), given, dict(target),
                       foreign)
    told = describe(target)
    if not callable(target):
        raise SubjectError(f"subject {told.name}: expected a class or a function")
    return Subject(name or told.name, lambda log: LocalInstance(target), given)
