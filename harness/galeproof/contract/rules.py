"""Matching rules, held a second time by ourselves where Pact's core is lax.

Its regex rule matches the text of any JSON value (null, numbers, objects; digits of other scripts too), its
boolean accepts a string, duplicate keys and long numbers pass, a rule without a header does nothing, and an
example may break its own rule.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

__all__ = ["body_of", "broken_examples", "exact_float", "lax"]

_STEP = re.compile(r"\.([^.\[\]*]+)|\[(\d+)\]|\[\*\]|\.\*|\['([^']*)'\]")
_EXACT = 2**53  # from here on a double is not every integer
_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "decimal": lambda value: isinstance(value, float),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "null": lambda value: value is None,
    # patterns for text, which the core holds against the text of any value
    **dict.fromkeys(("date", "datetime", "include", "semver", "time", "timestamp"),
                    lambda value: isinstance(value, str)),
}
_PLACES = frozenset({"body", "content", "header", "metadata", "method", "path", "query", "status"})
_OLD = re.compile(r"\$(?:\.|\[')(body|headers?)(?:'\])?(?=[.\[]|$)")
Rule = Mapping[str, Any]


def body_of(part: Mapping[str, Any], version: int) -> tuple[bool, Any]:
    """Return whether a request or response has a body that can be compared, and it: JSON, text or bytes."""
    body = part.get("body")
    if body is None:
        return False, None
    if version < 4:
        return True, body
    if not isinstance(body, Mapping):
        return False, None
    content, encoded = body.get("content"), body.get("encoded")
    if not encoded:
        return content is not None, content
    try:
        raw = base64.b64decode(str(content), validate=True)
        if str(encoded).lower() == "json":
            return True, json.loads(raw)
    except (ValueError, binascii.Error):
        return False, None
    if "json" in str(body.get("contentType")):
        with contextlib.suppress(ValueError):
            return True, json.loads(raw)
    return True, raw


def broken_examples(part: Mapping[str, Any], version: int) -> list[str]:
    """Say which examples of a request or response break their own rules, and which rules hold nothing.

    Args:
        part: The request or response, as in the pact file.
        version: Of the specification.
    """
    found = [f"header {name!r} has no value: nothing would be compared"
             for name, value in (part.get("headers") or {}).items() if value in ([], None)]
    if version >= 4 and isinstance(part.get("body"), Mapping) and not body_of(part, version)[0] and (
            part["body"].get("content") not in (None, "")):
        found.append("its body cannot be decoded")
    headers = {str(name).lower(): value for name, value in (part.get("headers") or {}).items()}
    for place, path, rule in _rules(part, version):
        if place == "header":
            name = _plain_name(path).lower()
            if name not in headers:
                found.append(f"a rule for header {name!r}, which is not there: it holds nothing")
            else:
                values = headers[name] if isinstance(headers[name], list) else [headers[name]]
                found += [f"header {name!r}: {why}" for v in values if (why := _breaks_text(rule, v))]
        elif place not in _PLACES:
            found.append(f"rules for {place!r}, which is no part of it: they hold nothing")
        elif place == "body":
            there, body = body_of(part, version)
            if not there or not isinstance(body, (dict, list)):
                continue
            values = _at(body, path)
            if values == [] and "*" not in path:
                found.append(f"a rule for body {path}, which is not there: it holds nothing")
            found += [f"body {path}: {why}" for v in values or () if (why := _breaks(rule, v))]
    return found


def lax(response: Mapping[str, Any], version: int, status: int, body: bytes, media: str | None
        ) -> list[str]:
    """Say what of a real answer breaks the contract, although Pact's core may have let it pass.

    Args:
        response: The contract's.
        version: Of the specification.
        status: The answer's.
        body: The answer's, decoded from its framing.
        media: The answer's Content-Type, or None.
    """
    ruled_status = version >= 4 and bool((response.get("matchingRules") or {}).get("status"))
    if status != response["status"] and not (ruled_status and status):
        return [f"answered {status}, not {response['status']}"]
    there, expected = body_of(response, version)
    if not there or isinstance(expected, bytes) or not body:
        return []
    found: list[str] = []
    if media is None and version >= 4 and "json" in str(response["body"].get("contentType")):
        found.append("the answer has no Content-Type, and the contract's is JSON")
    try:
        actual = json.loads(body, object_pairs_hook=lambda pairs: _unique(pairs, found),
                            parse_float=lambda text: _exact(text, found))
    except (ValueError, RecursionError):
        return found  # no JSON: the core compares text and bytes
    for place, path, rule in _rules(response, version):
        if place == "body":
            found += [f"body {path}: {why}" for v in _at(actual, path) or () if (why := _breaks(rule, v))]
    ruled = {path for place, path, _ in _rules(response, version) if place == "body"}
    found += _long_numbers(expected, actual, "$", ruled)
    return sorted(set(found))


def _rules(part: Mapping[str, Any], version: int) -> Iterator[tuple[str, str, Rule]]:
    """Yield place (`body`, `header`, ...), path and rule; a choice of rules is one of kind `or`."""""
    for place, paths in (part.get("matchingRules") or {}).items():
        # the core takes version 2's table in a version 3 file too
        if version < 3 or not isinstance(paths, Mapping) or str(place).startswith("$"):
            yield from _old_rule(str(place), paths)
            continue
        for path, ruled in ({"": paths} if "matchers" in paths else paths).items():
            if not isinstance(ruled, Mapping):
                continue
            where = "header" if place == "headers" else str(place)
            if str(ruled.get("combine", "AND")).upper() != "AND":
                yield where, path, {"match": "or", "rules": ruled.get("matchers") or ()}
                continue
            for rule in ruled.get("matchers") or ():
                yield where, path, rule
                if rule.get("match") in ("eachValue", "each-value"):
                    for inner in _listed(rule.get("rules")):
                        yield where, f"{path}.*", inner


def _old_rule(path: str, rule: Any) -> Iterator[tuple[str, str, Rule]]:
    """Version 2: `$.body.x` and `$.headers.X` in one table."""
    if not isinstance(rule, Mapping):
        return
    kind = rule.get("match") or ("regex" if "regex" in rule else None)
    place = _OLD.match(path)
    if place is None:
        return
    rest = path[place.end():]
    if place[1] == "body":
        yield "body", "$" + rest, {**rule, "match": kind}
    elif rest:
        yield "header", rest.removeprefix(".").removeprefix("['").removesuffix("']"), {**rule, "match": kind}


def _listed(value: Any) -> list[Rule]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, (list, tuple)) else []


def _plain_name(path: str) -> str:
    """A header's rule may be for one of its values: `X-List[0]`, `$.X-List[*]`."""
    return re.sub(r"\[[^\]]*\]$", "", path.removeprefix("$.").removeprefix("$"))


def _at(document: Any, path: str) -> list[Any] | None:
    """Return the values at a rule's path, or None where the path is not understood."""
    if not path.startswith("$"):
        return None
    found, at = [document], 1
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            return None
        at = step.end()
        name = step[1] if step[1] is not None else step[3]
        found = [inner for value in found for inner in _inner(value, name, step[2])]
    return found


def _inner(value: Any, name: str | None, index: str | None) -> list[Any]:
    if name is not None:
        return [value[name]] if isinstance(value, dict) and name in value else []
    if index is not None:
        return value[int(index): int(index) + 1] if isinstance(value, list) else []
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list) else []


def _breaks(rule: Rule, value: Any) -> str | None:
    kind = rule.get("match")
    if kind == "or":
        broken = [_breaks(one, value) for one in _listed(rule.get("rules"))]
        return "; or ".join(map(str, broken)) if broken and all(broken) else None
    if kind == "arrayContains" and isinstance(value, list):
        for variant in _listed(rule.get("variants")):
            part = {"matchingRules": {"body": variant.get("rules") or {}}}
            wrong = [[why for _, path, one in _rules(part, 4) for v in _at(each, path) or ()
                      if (why := _breaks(one, v))] for each in value]
            if wrong and all(wrong):
                return f"no element holds: {wrong[0][0]}"
    if kind == "regex":
        if not isinstance(value, str):
            return f"a pattern for text, and the value is {json.dumps(value)[:40]}"
        return _breaks_text(rule, value)
    holds = _KINDS.get(str(kind))
    if holds is not None and not holds(value):
        return f"expected {kind}, found {json.dumps(value)[:40]}"
    return None


def _breaks_text(rule: Rule, value: Any) -> str | None:
    if rule.get("match") != "regex" or not isinstance(value, str):
        return None
    if any(c.isdigit() and not c.isascii() for c in value):
        return f"{value[:40]!r} has digits of another script"
    try:
        # Pact splits a header at its commas and holds each part against the rule
        pattern = re.compile(str(rule.get("regex")))
        parts = [value] if pattern.search(value) else value.split(",")
        fits = all(pattern.search(part.strip()) for part in parts)
    except re.error:
        return None  # a pattern that Python does not read: the core's word stands
    return None if fits else f"{value[:40]!r} does not match {rule.get('regex')!r}"


def _long_numbers(expected: Any, actual: Any, path: str, ruled: set[str]) -> list[str]:
    """Numbers that a double cannot hold are compared by the core as doubles."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return [text for key in expected if key in actual
                for text in _long_numbers(expected[key], actual[key], f"{path}.{key}", ruled)]
    exact = (isinstance(expected, int) and isinstance(actual, int) and abs(expected) >= _EXACT
             and not any(path == r or path.startswith((f"{r}.", f"{r}[")) for r in ruled))
    return [f"body {path}: expected {expected}, found {actual}"] if exact and expected != actual else []


def exact_float(text: str) -> float:
    """Return a JSON number.

    Raises:
        ValueError: It has more digits than a double holds: any number near it would match.
    """
    value = float(text)
    if Decimal(text) != Decimal(repr(value)):
        raise ValueError(f"{text} has more digits than are compared")
    return value


def _exact(text: str, found: list[str]) -> float:
    try:
        return exact_float(text)
    except ValueError as error:
        found.append(str(error))
        return float(text)


def _unique(pairs: list[tuple[str, Any]], found: list[str]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        found.append("a key is there twice in the body: readers differ in which one they take")
    return made
