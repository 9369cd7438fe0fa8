"""Reading bodies: a strict JSON reader, and a tolerant one for error documents."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

__all__ = ["Malformed", "Problem", "read_json", "read_problem"]

_LONGEST_TEXT = 200
_NUMBERS = ("code", "error_code", "errorCode", "errorcode")
_CODES = (*_NUMBERS, "error", "__type")
_WORDS = ("status", "type")
_CODE_WORD = re.compile("[A-Z][A-Z0-9_]{2,99}|[a-z][a-z0-9_]{2,99}")
_TITLES = (
    "title", "message", "Message", "error_description", "faultstring", "msg", "detail", "description",
)  # fmt: skip


class Malformed(ValueError):
    """Internal: a body is not the JSON that it should be; becomes a PayloadError."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What an error document says; each part may be missing.

    Args:
        code: machine-readable, or None.
        title: one line for people, or None.
        retry_after_s: seconds to wait, or None.
    """

    code: str | None = None
    title: str | None = None
    retry_after_s: float | None = None


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
        return _STRICT.decode(body.decode("utf-8"))
    except Malformed:
        raise
    except (ValueError, RecursionError):
        pass
    raise Malformed(reason)


def read_problem(body: bytes, redact: Callable[[str], str] = str) -> Problem:
    """Find code and title in an error document, never failing.

    It knows RFC 9457, RFC 6749 (`error`, `error_description`), JSON:API (`errors`, a list), Google
    (`error.status`), AWS (`__type`), Apigee (`fault`), FastAPI (`detail`, a list) and the many
    that put `code` and `message` somewhere.

    Args:
        body: the whole body, of any content.
        redact: applied to each text before it is cut, for half a secret would pass after it.

    Returns:
        What was found.
    """
    try:
        document = json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return Problem()
    places = list(_places(document))
    # a word says more than a number; `type` is often an address, `status` often the HTTP status
    code = _text(places, _CODES, redact) or _word(places) or _number(places)
    code = code or _text(places, ("type",), redact)
    return Problem(code, _text(places, _TITLES, redact), _seconds(places))


def _places(document: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the objects in which an error may be described, the innermost first."""
    if isinstance(document, list):
        document = document[0] if document else None
    if not isinstance(document, Mapping):
        return
    for name in ("errors", "error", "fault", "detail"):
        inner = document.get(name)
        if isinstance(inner, list):
            inner = inner[0] if inner else None
        if isinstance(inner, Mapping):
            deeper = inner.get("detail")
            if isinstance(deeper, Mapping):
                yield deeper
            yield inner
    yield document


def _text(
    places: list[Mapping[str, Any]], names: tuple[str, ...], redact: Callable[[str], str]
) -> str | None:
    for place in places:
        for name in names:
            value = place.get(name)
            if isinstance(value, str) and value and value != "about:blank":
                return "".join(c if c.isprintable() else " " for c in redact(value)[:_LONGEST_TEXT])
    return None


def _number(places: list[Mapping[str, Any]]) -> str | None:
    for place in places:
        for name in _NUMBERS:
            value = place.get(name)
            if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**9:
                return str(value)
    return None


def _word(places: list[Mapping[str, Any]]) -> str | None:
    """Find a code like NOT_FOUND in a place that others use for other things."""
    for place in places:
        for name in _WORDS:
            value = place.get(name)
            if isinstance(value, str) and _CODE_WORD.fullmatch(value):
                return value
    return None


def _seconds(places: list[Mapping[str, Any]]) -> float | None:
    for place in places:
        for name in ("retry_after", "retryAfter", "retry_after_s"):
            value = place.get(name)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 10**9:
                return float(value)
    return None


def _no_constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("a key is there twice")
    return found


_STRICT = json.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=_unique)
