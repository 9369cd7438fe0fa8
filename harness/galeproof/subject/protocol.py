"""The driver protocol: lines of JSON on stdin and stdout, read strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from galeproof.errors import SubjectError
from galeproof.subject.description import SubjectDescription
from galeproof.subject.foreign import TAKES, Foreign
from galeproof.subject.marks import OperationSpec

__all__ = ["ProtocolError", "failure", "line_of", "ready_of", "shallow"]

_DEEPEST = 100
_WORDS = ("ready", "refused", "closing", "id")
_SHOWN = 120
_KEPT = 4096


class ProtocolError(Exception):
    """A driver said what is not of the protocol; the text names the line."""


def line_of(line: bytes, number: int) -> dict[str, Any]:
    """Read one line of a driver's stdout.

    Args:
        line: With its end.
        number: From 1.

    Raises:
        ProtocolError: It is no JSON object, or none that the protocol knows.
    """
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict) or not any(word in message for word in _WORDS):
        text = line.decode("utf-8", "backslashreplace").rstrip("\r\n")
        shown = text[:_SHOWN] + ("..." if len(text) > _SHOWN else "")
        raise ProtocolError(f"line {number} of its stdout is not of the protocol: {shown!r}; stdout "
                            "carries only these lines, stderr is the log")
    if not shallow(message):
        raise ProtocolError(f"line {number} of its stdout is nested deeper than {_DEEPEST}")
    if "id" in message and type(message["id"]) is not int:
        raise ProtocolError(f"line {number} of its stdout answers {str(message['id'])[:_SHOWN]!r}: an id "
                            "is the number that was asked")
    if "id" in message and "ok" not in message and "error" not in message:
        raise ProtocolError(f"line {number} of its stdout answers {message['id']!r} with neither ok "
                            "nor error")
    return message


def shallow(value: Any) -> bool:
    """Tell whether a JSON value is nested no deeper than 100: what is deeper breaks who writes it."""
    layer = [value]
    for _ in range(_DEEPEST):
        layer = [inner for one in layer if isinstance(one, dict | list)
                 for inner in (one.values() if isinstance(one, dict) else one)]
        if not layer:
            return True
    return False


def ready_of(ready: Any, foreign: Foreign) -> SubjectDescription:
    """Describe a driver by its ready line and what the settings declare.

    Raises:
        SubjectError: The ready line names no operation, or the settings name another.
    """
    who = f"driver {foreign.line!r}"
    kinds = ready.get("operations") if isinstance(ready, Mapping) else None
    if not isinstance(kinds, Mapping) or not kinds or not all(
            kind in ("read", "write") for kind in kinds.values()):
        raise SubjectError(f'{who}: its ready line must name its operations, as in {{"ready": '
                           f'{{"operations": {{"fetch": "read", "create": "write"}}}}}}, not {ready!r}')
    unknown = sorted(set(foreign.operations) - set(kinds))
    if unknown:
        raise SubjectError(f"{who}: operations.{unknown[0]}: the driver has no such operation; it has "
                           f"{', '.join(kinds)}")
    cancels = ready.get("cancel") is True
    specs = {}
    for name, kind in kinds.items():
        told = foreign.operations.get(name) or OperationSpec(kind, takes=TAKES)
        specs[name] = OperationSpec(kind, told.answer, told.status, told.headers, told.effect,
                                    told.takes, cancellable=cancels)
    return SubjectDescription(foreign.line, specs, foreign.routes, True)


def failure(error: Any) -> dict[str, Any]:
    """Return a driver's error as an outcome keeps it: type, text, effect, and all that it shows."""
    told = error if isinstance(error, Mapping) else {"message": error}
    found: dict[str, Any] = {
        "type": str(told.get("type") or "error")[:_KEPT], "chain": [], "bases": [],
        "text": str(told.get("message", told.get("text", "")))[:_KEPT]}
    if told.get("effect") in ("unknown", "none", "applied"):
        found["effect"] = told["effect"]
    if told.get("dump"):
        found["dump"] = str(told["dump"])
    return found
