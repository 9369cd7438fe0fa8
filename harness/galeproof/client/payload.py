"""Reading bodies: a strict JSON reader, and a tolerant one for error documents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

__all__ = ["Malformed", "Problem", "read_json", "read_problem"]

_LONGEST_TEXT = 200


class Malformed(ValueError):
    """Internal: a body is not the JSON that it should be; becomes a PayloadError."""


class Problem:
    """Code and title of an error document; either may be None."""

    __slots__ = ("code", "title")

    def __init__(self, code: str | None, title: str | None) -> None:
        self.code = code
        self.title = title


def read_json(body: bytes, content_type: str | None) -> Any:
    """Parse a success body strictly.

    Args:
        body: the whole body.
        content_type: the Content-Type header, or None when it is absent.

    Returns:
        The parsed document.

    Raises:
        Malformed: not JSON, not UTF-8, a duplicate key, NaN, or another media type.
    """
    if content_type is not None:
        media = content_type.partition(";")[0].strip().lower()
        if not (media.endswith("/json") or media.endswith("+json")):
            raise Malformed("the content type is not JSON")
    reason = "the body is not JSON"
    try:
        return json.loads(
            body.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_unique
        )
    except Malformed:
        raise
    except (ValueError, RecursionError):
        pass
    raise Malformed(reason)


def read_problem(body: bytes) -> Problem:
    """Find code and title in an error document (RFC 9457 and common shapes), never failing.

    Args:
        body: the whole body, of any content.

    Returns:
        What was found.
    """
    try:
        document = json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return Problem(None, None)
    if not isinstance(document, Mapping):
        return Problem(None, None)
    places: list[Mapping[str, Any]] = [document]
    inner = document.get("error")
    several = document.get("errors")
    if isinstance(inner, Mapping):
        places.insert(0, inner)
    if isinstance(several, list) and several and isinstance(several[0], Mapping):
        places.insert(0, several[0])
    code = _first_text(places, ("code", "error_code", "error", "type"))
    title = _first_text(places, ("title", "message", "error_description", "detail"))
    return Problem(code, title)


def _first_text(places: list[Mapping[str, Any]], names: tuple[str, ...]) -> str | None:
    for place in places:
        for name in names:
            value = place.get(name)
            if isinstance(value, str) and value and value != "about:blank":
                return "".join(c if c.isprintable() else " " for c in value[:_LONGEST_TEXT])
            if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**9:
                return str(value)
    return None


def _no_constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("a key is there twice")
    return found
