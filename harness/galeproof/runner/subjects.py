"""A subject as a run needs it: how to make a fresh instance, and its profile."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from galeproof.errors import SubjectError, UsageError
from galeproof.model import Profile, parse_profile
from galeproof.subject import (
    CommandInstance,
    DriverInstance,
    Foreign,
    Instance,
    LocalInstance,
    foreign_of,
)
from galeproof.subject.description import check_target, describe

__all__ = ["Subject", "subject_again", "subject_of"]


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
        hosts: The hosts for which it is given a forward proxy; none: it uses the base URL.
    """

    name: str
    make: Callable[[Path | None], Instance]
    profile: Profile
    target: str | Mapping[str, Any] | None = None
    foreign: Foreign | None = None
    log: Path | None = None
    hosts: tuple[str, ...] = ()

    def through_a_proxy(self, hosts: Sequence[str]) -> Subject:
        """Return this subject with the harness as its forward proxy, for these hosts.

        Raises:
            UsageError: It runs in this process, whose environment is not ours to change.
        """
        if self.in_process:
            raise UsageError(f"subject {self.name}: a forward proxy needs a process of its own "
                             "(module:attribute, exec or driver)")
        return dataclasses.replace(self, hosts=tuple(hosts))

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


def subject_again(facts: Mapping[str, Any], where: str) -> Subject:
    """Make the subject of a kept run anew, from what ``run.json`` says of it."""
    subject = subject_of(facts["target"], parse_profile(facts["profile"], where), facts["subject"])
    return subject.through_a_proxy(facts["hosts"]) if facts.get("hosts") else subject
