"""YAML text to plain data, with the line of every key and item."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from galeproof.errors import ScenarioError

__all__ = ["Loc", "LocatedError", "Source", "fail", "key_of", "parse_source", "read_text"]

Loc = tuple[str | int, ...]

MAX_BYTES = 262_144
_MAX_DEPTH = 20
_CORE = "tag:yaml.org,2002:"
_KINDS = ("bool", "float", "int", "map", "merge", "null", "seq", "str", "timestamp", "value")


class LocatedError(ValueError):
    """What a validator found wrong, at a path below the place that it looked at."""

    def __init__(self, path: Loc, problem: str) -> None:
        super().__init__(problem)
        self.path = path


@dataclass(frozen=True, slots=True)
class Source:
    """Plain data, and where it stood.

    Attributes:
        name: What to call the file in an error.
        data: Mappings, lists and scalars.
        lines: The line (from 1) of each key and item, by its path.
    """

    name: str
    data: Any
    lines: Mapping[Loc, int]

    def line(self, loc: Loc) -> int:
        """Return the line of a path, or of the nearest enclosing one that the file has."""
        while loc not in self.lines:
            loc = loc[:-1]
        return self.lines[loc]


def key_of(loc: Loc) -> str:
    """Spell a path as ``steps[1].answer.status``."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part[:60]}"
    return text.removeprefix(".")


def fail(name: str, line: int | None, key: str, problem: str) -> ScenarioError:
    """Build the one error of this layer: file, line, key, problem, on one line."""
    where = name if line is None else f"{name}, line {line}"
    text = ": ".join(part for part in (where, key, problem) if part)
    return ScenarioError("".join(c if c.isprintable() else ascii(c)[1:-1] for c in text))


def read_text(path: Path) -> str:
    """Read a scenario file.

    Raises:
        ScenarioError: It is missing, unreadable, too large, or no UTF-8 text.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise fail(str(path), None, "", "no such file") from None
    except (OSError, ValueError) as error:
        problem = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise fail(str(path), None, "", f"cannot be read ({problem})") from None
    if len(raw) > MAX_BYTES:
        raise fail(str(path), None, "", f"larger than {MAX_BYTES} bytes: no scenario")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise fail(str(path), line, "", "not UTF-8 text: is this a scenario file?") from None


def parse_source(text: str, name: str) -> Source:
    """Parse YAML text without building objects of it.

    Args:
        text: The whole file.
        name: What to call it in an error.

    Raises:
        ScenarioError: Not YAML, an alias, a tag, a duplicate key, or nesting too deep.
    """
    try:
        _check_events(text, name)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "damaged"
        line = mark.line + 1 if mark else None
        raise fail(name, line, "", f"not YAML ({problem})") from None
    except (ValueError, OverflowError) as error:
        # PyYAML hands an escape such as "\UFFFFFFFF" to chr() unchecked
        raise fail(name, None, "", f"not YAML ({error})") from None
    if node is None:
        raise fail(name, 1, "", "empty, expected a scenario")
    lines: dict[Loc, int] = {(): node.start_mark.line + 1}
    return Source(name, _plain(node, (), lines, name), lines)


def _check_events(text: str, name: str) -> None:
    # before anything is composed: aliases make bombs, and the composer is recursive
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise fail(name, line, "", f"alias *{event.anchor[:60]}: aliases are not allowed")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise fail(name, line, "", f"nested deeper than {_MAX_DEPTH} levels")


def _plain(node: Any, loc: Loc, lines: dict[Loc, int], name: str) -> Any:
    line = node.start_mark.line + 1
    if node.tag.removeprefix(_CORE) not in _KINDS:
        raise fail(name, line, key_of(loc), f"tag {node.tag[:60]}: tags are not allowed")
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node.tag.removeprefix(_CORE), node.value)
    if isinstance(node, yaml.SequenceNode):
        items = []
        for index, child in enumerate(node.value):
            lines[(*loc, index)] = child.start_mark.line + 1
            items.append(_plain(child, (*loc, index), lines, name))
        return items
    found: dict[str, Any] = {}
    for key, child in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise fail(name, line, key_of(loc), "a key must be a plain word")
        if key.value in found:
            raise fail(name, line, key_of((*loc, key.value)), "the key is given twice")
        lines[(*loc, key.value)] = line
        found[key.value] = _plain(child, (*loc, key.value), lines, name)
    return found


def _scalar(kind: str, text: str) -> Any:
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in ("true", "yes", "on")
    try:
        if kind == "int":
            return int(text)
        if kind == "float":
            number = float(text)
            return number if math.isfinite(number) else text
    except ValueError:
        pass  # YAML 1.1's other notations (0x1f, 1:30, .inf) stay text and are refused as such
    return text
