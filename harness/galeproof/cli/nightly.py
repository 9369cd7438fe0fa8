"""``galeproof nightly``: many seeds for a time, findings in a database, one report."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from galeproof.cli.running import choose
from galeproof.errors import HistoryError
from galeproof.invariants import INVARIANTS
from galeproof.kernel.chance import new_seed
from galeproof.model.verdict import SEVERITIES
from galeproof.report.html import html_page
from galeproof.report.plain import each_text, encodable, one_line, plain
from galeproof.runner import Judged, RunFolder, Subject, judge_runs, read_run
from galeproof.runner.config import Config, load_config, weighed
from galeproof.runner.facts import facts_of_run
from galeproof.runner.nightly import Night, Store, Trend, run_night, trends
from galeproof.runner.nightly.night import Progress
from galeproof.runner.nightly.store import NightRow
from galeproof.scenario import Scenario

__all__ = ["nightly_command"]


def nightly_command(what: Sequence[str], minutes: float, subject_name: str | None, database: str,
                    rounds: int | None, seed: int | None, anew: bool, engine: str, as_json: bool,
                    output: Path) -> int:
    """Spend the night; print and keep what it says.

    Returns:
        0; 1 where something fails that is no flake and not accepted; 3 where the subject is invalid; 4 for
        a harness fault.
    """
    config = load_config(Path.cwd())
    scenarios, _ = choose(what)
    subject = config.subject(subject_name)
    output.mkdir(parents=True, exist_ok=True)
    (output / ".gitignore").write_text("*\n", "utf-8")
    store = Store(database)
    try:
        row = _row(store, subject, scenarios, seed, anew)
        night = run_night(store, row, subject, scenarios, engine=engine, budget_s=minutes * 60,
                          most_rounds=rounds, keep=_keeper(config, subject, scenarios, engine, output),
                          tell=_progress)
        print(file=sys.stderr)
        accepted = config.accepted()
        found = trends(store.tallies(subject.name) or [[]],
                       lambda code, scenario: accepted.covering(code, subject.name, scenario))
        findings = [{**f, "accepted": (entry := accepted.covering(f["code"], subject.name, f["scenario"]))
                     and entry.reason} for f in store.findings(row.id)]
        code = _code(config, night, found, findings)
        report = _report(config, subject, night, found, findings, output, code)
        _print(night, found, findings, report, code, as_json)
        if not as_json:
            _print_baseline(config, subject, findings, night)
        return code
    finally:
        store.close()


def _row(store: Store, subject: Subject, scenarios: Sequence[Scenario], seed: int | None,
         anew: bool) -> NightRow:
    names = [s.name for s in scenarios]
    old = None if anew else store.unfinished(subject.name)
    if old is not None and old.scenarios.split("\n") == names and seed in (None, old.seed):
        print(f"galeproof nightly: going on with night {old.id} (seed {old.seed})", file=sys.stderr)
        return old
    return store.begin(new_seed() if seed is None else seed, subject.name, names)


def _keeper(config: Config, subject: Subject, scenarios: Sequence[Scenario], engine: str, output: Path
            ) -> Callable[[int, Judged], str]:
    sources = {s.name: s.source for s in scenarios}

    def keep(seed: int, judged: Judged) -> str:
        folder = RunFolder.new(output)
        name = str(judged.history.header["scenario"])
        folder.keep(name, judged, sources[name], single=True)
        folder.write("run.json", facts_of_run(
            config, subject, [name], engine=str(judged.history.header["engine"]), option=engine, seed=seed,
            kept=[name]))
        return str(folder.path)

    return keep


def _failed(night: Night, findings: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Judged]:
    """What shows each failure of the night: of earlier sittings, the kept runs."""
    failed = dict(night.failed)
    for finding in findings:
        key = (finding["code"], finding["scenario"])
        if key not in failed and finding["run"]:
            with contextlib.suppress(HistoryError):  # somebody cleaned up: the database still tells
                failed[key] = read_run(Path(finding["run"]))[1][0]
    return failed


def _report(config: Config, subject: Subject, night: Night, found: Sequence[Trend],
            findings: Sequence[Mapping[str, Any]], output: Path, code: int) -> Path:
    """One page: what failed (one history for each), and the last sound one of each other scenario."""
    runs: dict[str, Judged] = dict(night.sound)
    for (_, name), judged in sorted(_failed(night, findings).items(), key=lambda item: item[0]):
        runs[name] = judged
    judged_all = list(runs.values())
    verdicts = weighed(judge_runs(judged_all), config.severity)
    facts = facts_of_run(
        config, subject, list(runs), option="",
        engine=next((str(j.history.header.get("engine")) for j in judged_all), ""), seed=night.row.seed,
        kept=list(runs), invalid=night.invalid, fault=None if night.invalid else night.fault)
    place = output / f"night-{night.row.id}.html"
    place.write_text(html_page(
        facts, verdicts, judged_all, code=code, replay="galeproof run",
        run=str(output / "runs"), trend=found), "utf-8")
    return place


def _code(config: Config, night: Night, found: Sequence[Trend],
          findings: Sequence[Mapping[str, Any]]) -> int:
    """Of the whole night, whatever of it was an earlier sitting."""
    if night.invalid:
        return 3
    if night.fault:
        return 4
    bad = {t.code for t in found if t.kind in ("regression", "new", "known")}
    bar = SEVERITIES.index(config.fail_on)
    return int(any(SEVERITIES.index(config.severity.get(code, INVARIANTS[code].severity)) >= bar
                   for code in bad & {f["code"] for f in findings if not f["accepted"]}))


def _progress(progress: Progress) -> None:
    share = progress.used_s / max(progress.used_s + progress.left_s, 1e-9)
    bar = "#" * round(20 * share)
    print(f"\r  round {progress.round}  [{bar:<20}]  {progress.cases} cases  {progress.findings} findings  "
          f"{progress.used_s / 60:.1f} min, {progress.left_s / 60:.1f} left ", end="", file=sys.stderr,
          flush=True)


def _print_baseline(config: Config, subject: Subject, findings: Sequence[Mapping[str, Any]],
                    night: Night) -> None:
    lived_with = {(f["code"], f["accepted"]) for f in findings if f["accepted"]}
    for code, reason in sorted(lived_with):
        print(plain(f"accepted {code}: {reason} (baseline {config.baseline})"))
    held = judge_runs(list(night.sound.values())) if night.sound else []
    failing = {f["code"] for f in findings}
    for entry in config.accepted().stale([v for v in held if v.code not in failing], subject.name):
        print(f"note     {entry.code} holds now: take it out of {config.baseline}")


def _print(night: Night, found: Sequence[Trend], findings: Sequence[dict[str, Any]], report: Path,
           code: int, as_json: bool) -> None:
    if as_json:
        print(json.dumps({
            "schema": 1, "exit": code, "night": night.row.id, "seed": night.row.seed, "cases": night.cases,
            "invalid": night.invalid, "fault": night.fault, "report": str(report),
            "trends": [dataclasses.asdict(t) for t in found],
            "findings": each_text(list(findings), encodable)}))
        return
    for trend in found:
        where = f"  {one_line(', '.join(trend.where[:3]))}" if trend.where else ""
        print(f"{trend.kind:<11} {trend.code}  {trend.fails} FAIL  {trend.passes} PASS  "
              f"{trend.unknown} UNKNOWN  |{trend.line}|{where}")
    if night.fault:
        print(f"{'INVALID' if night.invalid else 'harness fault'}: {one_line(night.fault)}")
    print(f"galeproof: night {night.row.id}, seed {night.row.seed}: {night.cases} cases in this sitting; "
          f"report {report} (exit {code})")


