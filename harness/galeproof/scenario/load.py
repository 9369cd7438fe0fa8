"""Files to scenarios, and the scenarios that ship."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from galeproof.errors import ScenarioError
from galeproof.scenario.model import Scenario
from galeproof.scenario.source import LocatedError, Source, fail, key_of, parse_source, read_text

__all__ = ["find", "load_scenario", "parse_scenario", "scenario_schema", "shipped"]

_PACKAGE = Path(__file__).parent.parent


def load_scenario(path: Path, known_codes: Collection[str]) -> Scenario:
    """Read and validate one scenario file.

    Args:
        path: The file.
        known_codes: The invariants that ``expect.exercised`` may name.

    Raises:
        ScenarioError: Names file, line, key and what is allowed.
    """
    return parse_scenario(read_text(path), str(path), known_codes)


def parse_scenario(text: str, name: str, known_codes: Collection[str]) -> Scenario:
    """Validate the text of one scenario.

    Raises:
        ScenarioError: Names file, line, key and what is allowed.
    """
    source = parse_source(text, name)
    if not isinstance(source.data, dict):
        raise fail(name, 1, "", "expected a mapping with name, why, operations, steps, expect")
    if "source" in source.data:
        raise fail(name, source.line(("source",)), "source", "unknown key")
    try:
        scenario = Scenario.model_validate({**source.data, "source": text})
    except ValidationError as error:
        raise _told(error, source) from None
    for index, code in enumerate(scenario.expect.exercised):
        if code not in known_codes:
            loc = ("expect", "exercised", index)
            raise fail(name, source.line(loc), key_of(loc),
                       f"{code[:40]!r} is no invariant; known: {', '.join(sorted(known_codes))}")
    return scenario


def _told(error: ValidationError, source: Source) -> ScenarioError:
    errors = error.errors()
    # a misspelt key is the cause where another key is missing
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    loc = tuple(part for part in first["loc"] if isinstance(part, int | str))
    problem = str(first["msg"]).removeprefix("Value error, ")
    inner: Any = (first.get("ctx") or {}).get("error")
    if isinstance(inner, LocatedError):
        loc += inner.path
    if first["type"] == "extra_forbidden":
        problem = f"unknown key; allowed: {', '.join(_allowed(loc))}"
    return fail(source.name, source.line(loc), key_of(loc), problem)


def _allowed(loc: tuple[int | str, ...]) -> list[str]:
    """The keys that are allowed beside the last part of this path."""
    model: Any = Scenario
    for part in loc[:-1]:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        model = next((a for a in _parts(annotation) if hasattr(a, "model_fields")), model)
    return sorted(key for key in model.model_fields if key != "source")


def _parts(annotation: Any) -> list[Any]:
    found = [annotation]
    for inner in getattr(annotation, "__args__", ()):
        found += _parts(inner)
    return found


def shipped() -> list[Path]:
    """Return the scenario files that ship: in the wheel, else in the checkout."""
    for folder in (_PACKAGE / "_scenarios", _PACKAGE.parent.parent / "scenarios"):
        if folder.is_dir():
            return sorted(folder.glob("*.yaml"))
    return []


def find(name: str) -> Path:
    """Return a scenario by the name of a shipped one, or by its path.

    Raises:
        ScenarioError: There is none.
    """
    by_name = {path.stem: path for path in shipped()}
    if name in by_name:
        return by_name[name]
    if Path(name).exists():
        return Path(name)
    close = difflib.get_close_matches(name, by_name, 3)
    raise ScenarioError(f"{name!r}: no such file, scenario or invariant; " + (
        f"did you mean {' or '.join(close)}?" if close else f"scenarios: {', '.join(sorted(by_name))}"))


def scenario_schema() -> dict[str, Any]:
    """Return the published JSON Schema, with quantities as numbers or expressions."""
    from galeproof.scenario.schema import build_schema

    return build_schema()
