"""SARIF 2.1.0: one result for each invariant that FAILs in a scenario, with a stable fingerprint."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from galeproof.invariants import INVARIANTS
from galeproof.report.mending import ACTIONS
from galeproof.report.plain import one_line, plain

__all__ = ["sarif_text"]

_LEVELS = {"critical": "error", "major": "error", "minor": "warning"}
_SCORES = {"critical": "9.0", "major": "7.0", "minor": "4.0"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif_text(document: Mapping[str, Any], target: Any, root: Path) -> str:
    """Return the JSON text.

    A fingerprint is made of subject, invariant and scenario: what does not change from run to run.

    Args:
        document: The published JSON form of a run.
        target: How the subject is found (``module:attribute``, or a command's settings).
        root: The project's folder; findings are shown at the adapter's file in it, or at the settings.
    """
    failed = [row for row in document["verdicts"] if row["verdict"] == "FAIL"]
    place = _place(target, root)
    results = [_result(row, name, document["subject"], place)
               for row in failed for name in row["scenarios"]]
    rules = sorted({row["code"] for row in failed})
    for result in results:
        result["ruleIndex"] = rules.index(result["ruleId"])
    return json.dumps({
        "$schema": _SCHEMA, "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "galeproof", "version": document["version"],
                                "semanticVersion": document["version"],
                                "rules": [_rule(code) for code in rules]}},
            "automationDetails": {"id": f"galeproof/{one_line(str(document['subject']))}/"},
            "invocations": [{"executionSuccessful": document["exit"] in (0, 1, 5),
                             "exitCode": document["exit"]}],
            "properties": {"engine": plain(document["engine"]), "seed": document["seed"],
                           "run": plain(document["run"])},
            "columnKind": "utf16CodeUnits", "results": results}]}, indent=1) + "\n"


def _place(target: Any, root: Path) -> str:
    if isinstance(target, str):
        file = Path(*target.partition(":")[0].split(".")).with_suffix(".py")
        if (root / file).exists():
            return file.as_posix()
    return next((name for name in ("pyproject.toml", "galeproof.toml") if (root / name).exists()),
                "pyproject.toml")


def _rule(code: str) -> dict[str, Any]:
    invariant = INVARIANTS[code]
    page = inspect.cleandoc(invariant.check.__doc__ or "")
    parts = page.split("\n\n")
    return {
        "id": code, "name": invariant.name.title().replace("-", ""),
        "shortDescription": {"text": f"{code} {invariant.name}"},
        "fullDescription": {"text": plain(" ".join(parts[1].split())) if len(parts) > 1 else code},
        "help": {"text": plain(page)},
        "defaultConfiguration": {"level": _LEVELS[invariant.severity]},
        "properties": {"tags": ["resilience", invariant.family],
                       "security-severity": _SCORES[invariant.severity]}}


def _result(row: Mapping[str, Any], scenario: str, subject: str, place: str) -> dict[str, Any]:
    first = row["findings"][0] if row["findings"] else {"text": row["note"], "mend": "", "replay": ""}
    text = (f"{row['code']} {row['name']} in {one_line(scenario)}: {one_line(str(first['text']))}. "
            f"{ACTIONS[row['severity']].capitalize()}. Use instead: {one_line(str(first['mend']))}. "
            f"Replay: {first['replay']}")
    mark = hashlib.sha256(f"{subject}\n{row['code']}\n{scenario}".encode("utf-8", "surrogatepass"))
    said = plain(text).replace("](", "] (")  # SARIF makes a link of it, in plain text too
    return {
        "ruleId": row["code"], "level": _LEVELS[row["severity"]], "message": {"text": said},
        "locations": [{
            "physicalLocation": {"artifactLocation": {"uri": place, "uriBaseId": "%SRCROOT%"},
                                 "region": {"startLine": 1}},
            "logicalLocations": [{"name": one_line(subject), "kind": "module"}]}],
        "partialFingerprints": {"galeproof/v1": mark.hexdigest()}}
