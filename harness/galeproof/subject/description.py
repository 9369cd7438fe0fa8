"""What an adapter is: found by inspection, by argument names, as in pytest."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from galeproof.errors import SubjectError
from galeproof.subject.marks import MARK, OperationSpec

__all__ = ["CONSTRUCTOR_ARGUMENTS", "OPERATION_ARGUMENTS", "SubjectDescription", "check_routes",
           "check_target", "describe", "load_target"]

CONSTRUCTOR_ARGUMENTS = ("base_url", "secrets", "other_url", "token_url", "ca_file", "proxy_url",
                         "workdir")
OPERATION_ARGUMENTS = ("ref", "amount", "key", "body", "deadline_s")
_ROUTE = re.compile(r"[A-Z]+ /[!-~]*")
_ANSWER = frozenset({"answer", "status", "headers", "effect"})
_READING = ("get", "fetch", "read", "list", "find", "load", "show")


@dataclass(frozen=True, slots=True)
class SubjectDescription:
    """An adapter's name, its operations, the routes outside operations, and the arguments of
    CONSTRUCTOR_ARGUMENTS that it asks for."""

    name: str
    operations: Mapping[str, OperationSpec]
    routes: Mapping[str, Any]
    instance: bool
    wants: tuple[str, ...] = ()

    def of_kind(self, kind: str) -> list[str]:
        """Return the names of the operations of a kind, in the order of their definition."""
        return [name for name, spec in self.operations.items() if spec.kind == kind]


def check_target(target: str) -> tuple[str, str]:
    """Take ``module:attribute`` apart; nothing is imported.

    Raises:
        SubjectError: It is not of that form.
    """
    module_name, colon, attribute = target.partition(":")
    if not colon or not module_name or not attribute:
        raise SubjectError(f"subject {target!r}: expected module:attribute")
    return module_name, attribute


def load_target(target: str) -> Any:
    """Import ``module:attribute``; the working folder is on the path.

    Raises:
        SubjectError: It cannot be imported, or has no such attribute.
    """
    module_name, attribute = check_target(target)
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise SubjectError(
            f"subject {target!r}: cannot import {module_name}: {type(error).__name__}: {error}"
        ) from None
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise SubjectError(f"subject {target!r}: {module_name} has no {attribute!r}")
        found = getattr(found, part)
    return found


def describe(target: Any) -> SubjectDescription:
    """Look at an adapter class, or at a plain function.

    Raises:
        SubjectError: It is neither, has no operation, or asks for an unknown argument.
    """
    name = getattr(target, "__name__", type(target).__name__)
    if inspect.isclass(target):
        operations = {
            key: _seen(getattr(member, MARK), member)
            for klass in reversed(target.__mro__)
            for key, member in vars(klass).items()
            if hasattr(member, MARK) and callable(getattr(target, key))  # create = None takes it away
        }
        if not operations:
            raise SubjectError(f"subject {name}: no method is marked with @read or @write; a client "
                               f"of your own needs an adapter: galeproof init --client "
                               f"{target.__module__}:{name}")
        if "__init__" in vars(target) or target.__init__ is not object.__init__:
            _check(target.__init__, CONSTRUCTOR_ARGUMENTS, f"{name}.__init__")
        for key in operations:
            _check(getattr(target, key), OPERATION_ARGUMENTS, f"{name}.{key}")
        return SubjectDescription(name, operations, _routes(target, name), True,
                                  _wants(target.__init__))
    if callable(target):
        _check(target, CONSTRUCTOR_ARGUMENTS + OPERATION_ARGUMENTS, name, bound=False)
        return SubjectDescription(name, {name: _function_spec(target, name)},
                                  _routes(target, name), False, _wants(target))
    raise SubjectError(f"subject {name}: expected a class or a function")


def _wants(function: Callable[..., Any]) -> tuple[str, ...]:
    """The constructor's arguments that a function asks for by name."""
    return tuple(n for n in inspect.signature(function).parameters if n in CONSTRUCTOR_ARGUMENTS)


def _routes(target: Any, name: str) -> Mapping[str, Any]:
    return check_routes(getattr(target, "routes", {}), f"subject {name}")


def check_routes(routes: Any, where: str) -> Mapping[str, Any]:
    """Check the answers to requests outside operations: ``{"POST /oauth/token": {"answer": {...}}}``.

    Raises:
        SubjectError: They are not of that form.
    """
    if not isinstance(routes, Mapping):
        raise SubjectError(f"{where}: routes must be a mapping")
    for route, answer in routes.items():
        if not isinstance(route, str) or not _ROUTE.fullmatch(route) or (
                not isinstance(answer, Mapping) or not set(answer) <= _ANSWER):
            raise SubjectError(f'{where}: routes: {route!r}; expected "METHOD /path" and a '
                               f"mapping of {', '.join(sorted(_ANSWER))}")
    return routes


def _function_spec(function: Callable[..., Any], name: str) -> OperationSpec:
    found: OperationSpec | None = getattr(function, MARK, None)
    if found is not None:
        return _seen(found, function)
    wanted = inspect.signature(function).parameters
    reads = name.startswith(_READING) or not {"amount", "key", "body"} & set(wanted)
    return _seen(OperationSpec("read" if reads else "write", effect=not reads), function)


def _seen(spec: OperationSpec, function: Callable[..., Any]) -> OperationSpec:
    names = inspect.signature(function).parameters
    return dataclasses.replace(spec, takes=tuple(n for n in names if n in OPERATION_ARGUMENTS),
                               cancellable=inspect.iscoroutinefunction(function))


def _check(function: Callable[..., Any], known: tuple[str, ...], where: str,
           bound: bool = True) -> None:
    for index, (name, parameter) in enumerate(inspect.signature(function).parameters.items()):
        if bound and index == 0:
            continue
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        if name not in known and parameter.default is parameter.empty:
            raise SubjectError(f"subject {where}: unknown argument {name!r}; "
                               f"known: {', '.join(known)}")
