"""``galeproof nightly``: many seeds for a time, findings in a database, one report."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from galeproof.cli.running import choose
from galeproof.kernel.chance import new_seed
from galeproof.model import Verdict
from galeproof.report.html import html_page
from galeproof.report.plain import each_text, encodable, one_line
from galeproof.runner import Judged, RunFolder, Subject, judge_runs
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
        0; 1 where something fails that is no flake; 3 where the subject is invalid; 4 for a harness fault.
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
        found = trends(store.tallies(subject.name) or [[]])
        report = _report(config, subject, night, found, output)
        code = _code(config, night, found)
        _print(night, found, store.findings(row.id), report, code, as_json)
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


def _report(config: Config, subject: Subject, night: Night, found: Sequence[Trend], output: Path) -> Path:
    """One page: what failed (one history for each), and the last sound one of each other scenario."""
    runs: dict[str, Judged] = dict(night.sound)
    for (_, name), judged in sorted(night.failed.items()):
        runs[name] = judged
    judged_all = list(runs.values())
    verdicts = weighed(judge_runs(judged_all), config.severity)
    facts = facts_of_run(
        config, subject, list(runs), option="",
        engine=next((str(j.history.header.get("engine")) for j in judged_all), ""), seed=night.row.seed,
        kept=list(runs), invalid=night.invalid, fault=None if night.invalid else night.fault)
    place = output / f"night-{night.row.id}.html"
    place.write_text(html_page(
        facts, verdicts, judged_all, code=_code(config, night, found), replay="galeproof run",
        run=str(output / "runs"), trend=found), "utf-8")
    return place


def _code(config: Config, night: Night, found: Sequence[Trend]) -> int:
    if night.invalid:
        return 3
    if night.fault:
        return 4
    bad = {t.code for t in found if t.kind in ("regression", "new", "known")}
    return int(any(config.fails(v) and v.code in bad for v in _failures(config, night)))


def _failures(config: Config, night: Night) -> list[Verdict]:
    return weighed(judge_runs(list(night.failed.values())), config.severity) if night.failed else []


def _progress(progress: Progress) -> None:
    share = progress.used_s / max(progress.used_s + progress.left_s, 1e-9)
    bar = "#" * round(20 * share)
    print(f"\r  round {progress.round}  [{bar:<20}]  {progress.cases} cases  {progress.findings} findings  "
          f"{progress.used_s / 60:.1f} min, {progress.left_s / 60:.1f} left ", end="", file=sys.stderr,
          flush=True)


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


