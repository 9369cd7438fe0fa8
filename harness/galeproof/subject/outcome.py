"""How one operation ended, as the caller saw it."""

from __future__ import annotations

import dataclasses
import json
import traceback
from dataclasses import dataclass
from typing import Any

__all__ = ["Outcome", "failed", "jsonable", "ok"]

_LONGEST = 4096
_DEEP = 6


@dataclass(frozen=True, slots=True)
class Outcome:
    """``ok``, ``failed`` or ``killed``, with value or error, and both instants in ns."""

    outcome: str
    value: Any
    error: dict[str, Any] | None
    start_ns: int
    end_ns: int


def ok(value: Any, start_ns: int, end_ns: int) -> Outcome:
    """The operation returned."""
    return Outcome("ok", jsonable(value), None, start_ns, end_ns)


def failed(error: BaseException, start_ns: int, end_ns: int) -> Outcome:
    """The operation raised."""
    chain: list[str] = []
    seen = error.__cause__ or error.__context__
    while seen and len(chain) < _DEEP:
        chain.append(f"{type(seen).__module__}.{type(seen).__qualname__}")
        seen = seen.__cause__ or seen.__context__
    kind = f"{type(error).__module__}.{type(error).__qualname__}"
    return Outcome("failed", None,
                   {"type": kind, "text": str(error)[:_LONGEST], "chain": chain,
                    "dump": _dump(error)},
                   start_ns, end_ns)


def _dump(error: BaseException) -> str:
    """Everything that the exception shows: str, repr, args and notes of the whole chain, and
    the formatted traceback."""
    parts: list[str] = []
    seen, at = set[int](), error
    while id(at) not in seen and len(seen) < _DEEP:
        seen.add(id(at))
        try:
            parts += [str(at), repr(at), repr(at.args), repr(getattr(at, "__notes__", ""))]
        except Exception as broken:  # a str or repr of the subject's that raises
            parts.append(repr(type(broken)))
        nxt = at.__cause__ or at.__context__
        if nxt is None:
            break
        at = nxt
    parts.append("".join(traceback.format_exception(error)))
    return "\n".join(parts)[:4 * _LONGEST]


def jsonable(value: Any, depth: int = 0) -> Any:
    """Return what a caller got as JSON values: dicts, dataclasses, pydantic and plain objects."""
    if value is None or isinstance(value, bool | int | float | str):
        return value[:_LONGEST] if isinstance(value, str) else value
    if depth > _DEEP:
        return repr(value)[:_LONGEST]
    if isinstance(value, bytes):
        return value[:_LONGEST].decode("utf-8", "replace")
    if isinstance(value, dict):
        return {str(k): jsonable(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple | set):
        return [jsonable(v, depth + 1) for v in value]
    for way in ("model_dump", "to_dict"):
        dump = getattr(value, way, None)
        if callable(dump):
            try:
                return jsonable(dump(), depth + 1)
            except Exception:
                break
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: jsonable(getattr(value, f.name), depth + 1)
                for f in dataclasses.fields(value)}
    text = getattr(value, "text", None)  # a response object of requests or httpx
    if isinstance(text, str):
        return text[:_LONGEST]
    try:
        return jsonable(json.loads(json.dumps(vars(value), default=str)), depth + 1)
    except (TypeError, ValueError):
        return repr(value)[:_LONGEST]
