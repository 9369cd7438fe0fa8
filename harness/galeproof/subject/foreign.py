"""A client in another language: how it is started, and what its owner declares of it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from galeproof.errors import SubjectError
from galeproof.subject.description import check_routes
from galeproof.subject.environment import spare_loopback
from galeproof.subject.marks import OperationSpec

__all__ = ["TAKES", "TOLD", "Foreign", "end_group", "environment_of", "foreign_of", "survives"]

_WAYS = ("exec", "driver")
_KEYS = frozenset({"kind", "answer", "status", "headers", "effect", "takes"})
TAKES = ("ref", "amount", "deadline_s")  # what an operation of which nothing is declared takes
TOLD = (*TAKES, "key")  # what each is told all the same; a body where it takes one


@dataclass(frozen=True, slots=True)
class Foreign:
    """A command line and its declarations.

    Attributes:
        way: ``exec`` (a process an operation) or ``driver`` (one process that speaks the protocol).
        line: The command as it was typed; no shell reads it.
        command: Its words.
        operations: By name; empty where nothing is declared (of a command one is then learned, a
            driver names its own).
        routes: Answers to requests outside operations.
        secrets: The names of the secrets that it is given.
    """

    way: str
    line: str
    command: tuple[str, ...]
    operations: dict[str, OperationSpec] = field(default_factory=dict)
    routes: Mapping[str, Any] = field(default_factory=dict)
    secrets: tuple[str, ...] = ("api_key",)

    def check_command(self) -> None:
        """Look for the program.

        Raises:
            SubjectError: It is not there.
        """
        if shutil.which(self.command[0]) is None:
            raise SubjectError(f"{self.way} {self.line!r}: {self.command[0]!r} is no program that can "
                               "be found")


def foreign_of(told: Mapping[str, Any], where: str) -> Foreign:
    """Read ``exec`` or ``driver`` with ``operations``, ``routes`` and ``secrets``, as the settings
    have them.

    Raises:
        SubjectError: Names the place, the key and what is allowed.
    """
    way = next(way for way in _WAYS if way in told)
    line = told[way]
    try:
        command = shlex.split(line) if isinstance(line, str) else None
    except ValueError as error:
        raise SubjectError(f"{where}.{way}: {line!r}: {error}") from None
    if not command:
        raise SubjectError(f"{where}.{way}: expected a command line, not {line!r}")
    secrets = told.get("secrets", ["api_key"])
    if not isinstance(secrets, list | tuple) or not all(
            isinstance(name, str) and name.isidentifier() for name in secrets):
        raise SubjectError(f"{where}.secrets: expected a list of names, not {secrets!r}")
    operations = _table(told.get("operations", {}), f"{where}.operations")
    return Foreign(way, line, tuple(command), {
        name: _spec(table, f"{where}.operations.{name}", way) for name, table in operations.items()},
        check_routes(told.get("routes", {}), where), tuple(secrets))


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SubjectError(f"{where}: expected a table, not {value!r}")
    return value


def _spec(given: Any, where: str, way: str) -> OperationSpec:
    """One operation; a driver says its kind itself."""
    told = _table(given, where)
    for key in told:
        if key not in _KEYS:
            raise SubjectError(f"{where}.{key}: unknown key; allowed: {', '.join(sorted(_KEYS))}")
    kind = told.get("kind", "read" if way == "driver" else None)
    if kind not in ("read", "write"):
        raise SubjectError(f"{where}.kind: {kind!r}; allowed: read, write")
    status = told.get("status", 200)
    if not isinstance(status, int) or not 200 <= status <= 299:
        raise SubjectError(f"{where}.status: {status!r}; expected a number from 200 to 299")
    return OperationSpec(
        kind, _answer(told.get("answer"), f"{where}.answer"), status,
        _table(told.get("headers", {}), f"{where}.headers"), bool(told.get("effect", True)),
        (*TAKES, *told.get("takes", ())))


def _answer(given: Any, where: str) -> Any:
    """A JSON template: a table, or the path of a file that holds one."""
    if not isinstance(given, str):
        return given
    try:
        return json.loads(Path(given).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SubjectError(f"{where}: {given!r}: {error}") from None


def environment_of(timezone: str | None) -> dict[str, str]:
    """Return this process's environment as a subject's process is given it."""
    given = dict(os.environ)
    spare_loopback(given)
    return given | ({"TZ": timezone} if timezone else {})


def survives(group: int) -> bool:
    """Tell whether a process group whose leader has ended has a member left.

    Asked at the leader's end; as long as one lives, its number is given to no other.
    """
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def end_group(group: int) -> None:
    """End what is left of a process group of ours."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
