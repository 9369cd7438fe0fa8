"""``galeproof shrink RUN [CODE]``: what each failure needs, and no more."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from galeproof.cli.running import report_command
from galeproof.errors import HarnessError, UsageError
from galeproof.invariants import INVARIANTS
from galeproof.runner import Judged, Station, read_run, subject_again
from galeproof.runner.config import load_config
from galeproof.runner.judging import judge_one
from galeproof.runner.shrinking import Shrunk, shrink, shrinkable
from galeproof.scenario import load_scenario

__all__ = ["shrink_command"]


def shrink_command(path: Path, code: str | None, budget_s: float, engine: str | None,
                   as_json: bool, silent: bool = False) -> int:
    """Shrink the failures of a kept run, or one; keep and print the least schedules.

    They are kept beside the run: ``minimal-CODE.yaml``, in ``verdicts.json`` and in the report.

    Returns:
        0; 1 where a failure did not come back three times of three.

    Raises:
        UsageError: No kept run, no such failure, or a subject that only a test can make.
    """
    path = _plain(path)
    facts, runs, files = read_run(path)
    if not facts.get("target"):
        raise UsageError(f"{path}: the subject was made inside a test; only a subject of the settings, "
                         "a command or a driver can be driven again")
    if code is not None and code not in INVARIANTS:
        raise UsageError(f"{code!r}: no such invariant; known: {', '.join(INVARIANTS)}")
    wanted = _failures(runs, code)
    if code is not None and code not in wanted:
        raise UsageError(f"{path}: {code} has no FAIL here that one run decides (those that rest on time "
                         "or statistics are not shrunk)")
    subject = subject_again(facts, str(path))
    by_name = {scenario.name: scenario for scenario in (
        load_scenario(file, frozenset(INVARIANTS)) for file in files)}
    found: list[Shrunk] = []
    with Station(engine or facts.get("engine_option", "auto"), seed=facts["seed"]) as station:
        for each, name in wanted.items():
            found.append(asyncio.run(shrink(
                station, subject.logging_to(path / "subject.log"), by_name[name], each, seed=facts["seed"],
                budget_s=budget_s / len(wanted), state=path / f"shrink-{each}.json",
                tell=lambda text: print(f"  {text}", file=sys.stderr, flush=True))))
    for shrunk in found:
        (path / f"minimal-{shrunk.code}.yaml").write_text(shrunk.text, "utf-8")
    _note(found, path, facts)
    report_command(path, None, quiet=True)
    if not silent:
        _print(found, path, facts, as_json)
    return int(any(shrunk.confirmed < 3 for shrunk in found))


def _plain(path: Path) -> Path:
    """``latest`` moves on: name the run itself, as people type it."""
    whole = path.resolve()
    here = Path.cwd()
    return whole.relative_to(here) if whole.is_relative_to(here) else whole


def _note(found: list[Shrunk], path: Path, facts: Mapping[str, Any]) -> None:
    """Put what was found into ``verdicts.json``."""
    file = path / "verdicts.json"
    document = json.loads(file.read_text("utf-8"))
    by_code = {shrunk.code: shrunk for shrunk in found}
    for row in document["verdicts"]:
        if shrunk := by_code.get(row["code"]):
            row["minimal"] = {**dataclasses.asdict(shrunk), "again": _again(shrunk, path, facts)}
    file.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


def _again(shrunk: Shrunk, path: Path, facts: Mapping[str, Any]) -> str:
    return (f"galeproof run {path}/minimal-{shrunk.code}.yaml {_subject(facts)} "
            f"--seed {facts['seed']}")


def _failures(runs: list[Judged], code: str | None) -> dict[str, str]:
    """The scenario that shows each failure in the fewest steps, by code."""
    found: dict[str, str] = {}
    least: dict[str, int] = {}
    for run in runs:
        name = str(run.history.header["scenario"])
        size = len(run.history.header.get("words") or ()) * 1000 + len(run.history.header["refs"])
        for verdict in judge_one(run, [code] if code else None):
            if shrinkable(verdict) and size < least.get(verdict.code, 1 << 60):
                found[verdict.code], least[verdict.code] = name, size
    return found


def _print(found: list[Shrunk], path: Path, facts: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"schema": 1, "run": str(path), "minimal": [
            dataclasses.asdict(shrunk) for shrunk in found]}))
        return
    for shrunk in found:
        more = "" if shrunk.whole else "; out of time: run the same command again to go on"
        print(f"{shrunk.code}: {shrunk.steps} steps, {shrunk.operations} operations, "
              f"{shrunk.concurrent} at once; failed {shrunk.confirmed} of 3 ({shrunk.runs} runs{more})")
        print("".join(f"    {line}\n" for line in shrunk.text.splitlines()), end="")
        print(f"  again: {_again(shrunk, path, facts)}")


def _subject(facts: Mapping[str, Any]) -> str:
    target = facts["target"]
    if isinstance(target, Mapping):
        way = "exec" if "exec" in target else "driver"
        return f"--{way} {shlex.quote(target[way])}"
    with contextlib.suppress(HarnessError):
        if facts["subject"] in load_config(Path.cwd()).subjects:  # with its profile
            return f"--subject {facts['subject']}"
    return f"--subject {target}"
