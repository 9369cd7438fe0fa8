"""The published JSON Schemas of what ``--json`` prints and ``verdicts.json`` holds."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from galeproof.model import Outcome
from galeproof.model.verdict import REASONS, SEVERITIES
from galeproof.runner.nightly.trend import KINDS

__all__ = ["night_schema", "run_schema"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_CODE = {"type": "string", "pattern": "^[A-Z]{3}[0-9]{3}$"}
_COUNT = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}
_FIGURE = {"type": ["number", "string", "null"]}


def _told(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {**schema, "description": description}


def _object(optional: Collection[str] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties,
            "required": [name for name in properties if name not in optional]}


def _list(items: dict[str, Any], description: str) -> dict[str, Any]:
    return {"type": "array", "items": items, "description": description}


def _finding() -> dict[str, Any]:
    return _object(
        operation=_told({"type": ["string", "null"]}, "the reference of the operation that shows it"),
        evidence=_list({"type": "integer", "minimum": 0}, "indices of events in the history"),
        text=_told(_TEXT, "one sentence: what was seen"),
        mend=_told(_TEXT, "what to write instead, or empty"),
        replay=_told(_TEXT, "the command that drives the subject again"))


def _minimal() -> dict[str, Any]:
    return {**_object(
        code=_CODE, text=_told(_TEXT, "the scenario file"), steps=_COUNT,
        operations=_COUNT, concurrent=_COUNT,
        runs=_told(_COUNT, "how many versions were run"),
        confirmed=_told({"enum": [0, 1, 2, 3]}, "of three runs of it, so many failed"),
        whole=_told({"type": "boolean"}, "whether nothing smaller fails; else the time was over first"),
        again=_told(_TEXT, "the command that runs it")),
        "description": "the least schedule that shows it, once `galeproof shrink` has found one"}


def _verdict() -> dict[str, Any]:
    return _object(
        ("minimal",), minimal=_minimal(),
        code=_told(_CODE, "the invariant, for instance `RTY001`"),
        name=_told(_TEXT, "its name, for instance `retry-cap`"),
        verdict=_told({"enum": [outcome.value for outcome in Outcome]}, "PASS, FAIL or UNKNOWN"),
        reason=_told({"enum": [*REASONS, None]}, "why it is UNKNOWN (" + ", ".join(REASONS) + "), else null"),
        severity=_told({"enum": list(SEVERITIES)}, "minor, major or critical"),
        scenarios=_list(_TEXT, "the scenarios that this verdict comes from"),
        observed=_told(_FIGURE, "the worst that was seen, in `unit`, or null"),
        limit=_told(_FIGURE, "what it was held against, in `unit`, or null"),
        unit=_told(_TEXT, "for instance `attempts` or `s`, or empty"),
        witnesses=_told(_COUNT, "operations in which the situation arose"),
        total=_told(_COUNT, "operations that were looked at"),
        note=_told(_TEXT, "a sentence for the reader, or empty"),
        findings=_list(_finding(), "the violations, of a FAIL only"),
        not_run=_list(_TEXT, "scenarios that were left out; why stands in the document's `not_run`"))


def run_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a run: ``run``, ``replay`` and ``judge`` with ``--json``,
    ``report --format json`` and ``verdicts.json``."""
    return {"$schema": _DIALECT, "title": "galeproof run", **_object(
        schema=_told({"const": 1}, "the version of this form; it changes where a reader would break"),
        version=_told(_TEXT, "of galeproof"),
        exit=_told({"enum": [0, 1, 3, 4, 5, 130]}, "the exit code"),
        run=_told(_TEXT, "the kept run's folder"),
        engine=_told(_TEXT, "what carried the lanes, with its version"),
        seed=_told({"type": "integer"}, "same seed, same schedule"),
        subject=_told(_TEXT, "the client under test"),
        invalid=_told({"type": ["string", "null"]}, "why the subject was not judged (exit 3), else null"),
        fault=_told({"type": ["string", "null"]}, "what went wrong in the harness (exit 4), else null"),
        verdicts=_list(_verdict(), "one an invariant"),
        false_alarm_bound=_told({"type": "number", "minimum": 0},
                                "in how large a share of such runs chance alone makes a FAIL, at most"),
        not_run=_told({"type": "object", "additionalProperties": _TEXT},
                      "scenarios that were left out, and why"))}


def night_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of ``galeproof nightly --json``."""
    trend = _object(
        code=_CODE, fails=_COUNT, passes=_COUNT, unknown=_COUNT,
        kind=_told({"enum": list(KINDS)}, "beside the night before: " + ", ".join(KINDS)),
        where=_list(_TEXT, "the scenarios that this is about"),
        line=_told(_TEXT, "the share of failures, a character a night, oldest first"))
    finding = _object(
        code=_CODE, scenario=_TEXT, seed={"type": "integer"},
        run=_told({"type": ["string", "null"]}, "the kept run's folder"),
        text=_told({"type": ["string", "null"]}, "what was seen"),
        timing=_told({"type": "boolean"}, "whether it rests on elapsed time"),
        accepted=_told({"type": ["string", "null"]}, "why the baseline accepts it, else null"))
    return {"$schema": _DIALECT, "title": "galeproof night", **_object(
        schema={"const": 1}, exit=_told({"enum": [0, 1, 3, 4]}, "the exit code"),
        night=_told({"type": "integer"}, "its number in the database"),
        seed=_told({"type": "integer"}, "same seed, same schedules in the same order"),
        cases=_told(_COUNT, "scenarios settled in this sitting, each with a seed"),
        invalid={"type": ["string", "null"]}, fault={"type": ["string", "null"]},
        report=_told(_TEXT, "the night's HTML report"),
        trends=_list(trend, "one an invariant, what needs looking at first"),
        findings=_list(finding, "every case that failed"))}
