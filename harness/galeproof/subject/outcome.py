"""How one operation ended, as the caller saw it."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from galeproof.subject.shown import shown

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
    told = {"type": _name(type(error)), "text": str(error)[:_LONGEST], "chain": chain,
            "bases": [_name(base) for base in type(error).__mro__[1:-2]], **shown(error),
            "status": _number(error, ("status", "status_code", "http_status", "code")),
            "retry_after": _number(error, ("retry_after_s", "retry_after"))}
    unknown = getattr(error, "effect_unknown", None)
    if isinstance(unknown, bool):  # what a driver says as "effect"
        told["effect"] = "unknown" if unknown else "none"
    return Outcome("failed", None, told, start_ns, end_ns)


def _number(error: BaseException, names: tuple[str, ...]) -> float | None:
    """The first of these attributes, of the error or of its response, that is a number."""
    for place in (error, getattr(error, "response", None)):
        for name in names:
            value = getattr(place, name, None)
            if isinstance(value, int | float) and not isinstance(value, bool):
                return value
    return None


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


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
