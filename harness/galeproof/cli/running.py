"""What ``run``, ``replay`` and ``judge`` do."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from galeproof import __version__
from galeproof.errors import HistoryError, UsageError
from galeproof.invariants import INVARIANTS, false_alarm_bound
from galeproof.kernel.chance import new_seed
from galeproof.model import Verdict
from galeproof.report import exit_code, wire_lines
from galeproof.report.coloured import print_table
from galeproof.report.gate import gate_of
from galeproof.report.html import html_page
from galeproof.report.junit import junit_text
from galeproof.report.markdown import markdown_text
from galeproof.report.plain import each_text, encodable, one_line, plain
from galeproof.report.sarif import sarif_text
from galeproof.runner import (
    Judged,
    RunFolder,
    Station,
    Subject,
    judge_runs,
    read_run,
    run_catalogue,
    subject_again,
)
from galeproof.runner.baseline import baseline_text
from galeproof.runner.catalogue import CatalogueResult
from galeproof.runner.config import Config, load_config, weighed
from galeproof.runner.facts import facts_of_run
from galeproof.runner.firing import unmet
from galeproof.runner.judging import QUIET_LAG_MS, demanded
from galeproof.runner.selfcheck import self_check
from galeproof.scenario import Scenario, find, load_scenario, shipped

__all__ = ["baseline_command", "judge_command", "replay_command", "report_command", "run_command"]


def choose(what: Sequence[str]) -> tuple[list[Scenario], frozenset[str] | None]:
    """Turn the command's words into scenarios and codes.

    Raises:
        UsageError: A word is neither a scenario, a file, a code, nor a family.
    """
    known = frozenset(INVARIANTS)
    families = {code[:3] for code in known} & set(what)
    codes = frozenset(code for code in known if code in what or code[:3] in families)
    paths = [find(word) for word in what if word not in known | families]
    if not paths:
        paths = shipped()
    scenarios = [load_scenario(path, known) for path in paths]
    names = [s.name for s in scenarios]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"two of the scenarios are called {twice!r}: give each its own name")
    if codes and known | families >= set(what):
        scenarios = [s for s in scenarios if codes & set(s.expect.exercised)]
    return scenarios, codes or None


def run_command(what: Sequence[str], wanted: str | Mapping[str, str] | None,
                hosts: Sequence[str] | None, engine: str, seed: int | None, as_json: bool,
                output: Path, effort: str = "quick") -> int:
    """Run, judge, keep, print; return the exit code."""
    config = load_config(Path.cwd())
    scenarios, codes = choose(what)
    if codes is None and (config.select or config.ignore):
        codes = config.codes()
        scenarios = [s for s in scenarios if codes & set(s.expect.exercised)]
    spared = {} if what or effort == "nightly" else {
        s.name: "takes a minute of its own; name it, or give --effort nightly"
        for s in scenarios if s.effort == "nightly"}
    scenarios = [s for s in scenarios if s.name not in spared]
    subject = config.foreign(wanted) if isinstance(wanted, Mapping) else config.subject(wanted)
    if hosts:
        subject = subject.through_a_proxy(hosts)
    elif hosts is not None and not subject.hosts:
        raise UsageError("--proxy: name the hosts that it may answer for: --proxy-host api.example.com, or "
                         "hosts = [...] in the subject's settings")
    return _carry_out(config, subject, scenarios, codes, engine,
                      new_seed() if seed is None else seed, as_json, output, spared, effort != "quick")


def replay_command(path: Path, code: str | None, engine: str | None, as_json: bool,
                   output: Path) -> int:
    """Drive the kept run's subject again."""
    facts, _, files = read_run(path)
    if not facts.get("target"):
        raise UsageError(f"{path}: the subject was made inside a test; run that test again with "
                         f"--galeproof-seed={facts['seed']}")
    if code is not None and code not in INVARIANTS:
        raise UsageError(f"{code!r}: no such invariant; known: {', '.join(INVARIANTS)}")
    subject = subject_again(facts, str(path))
    scenarios = [load_scenario(file, frozenset(INVARIANTS)) for file in files]
    if code is not None:
        scenarios = [s for s in scenarios if code in s.expect.exercised] or scenarios
    codes = frozenset([code]) if code else frozenset(facts.get("codes") or ()) or None
    config = dataclasses.replace(load_config(Path.cwd()), fail_on=facts["fail_on"],
                                 severity=facts.get("severity") or {})
    return _carry_out(config, subject, scenarios, codes,
                      engine or facts.get("engine_option", "auto"), facts["seed"], as_json, output)


def judge_command(path: Path, as_json: bool) -> int:
    """Judge the kept histories again."""
    facts, runs, _ = read_run(path)
    verdicts, code = _judged_again(path, facts, runs)
    if facts.get("interrupted"):
        code = 130
    _print(_document(facts, verdicts, code, str(path)), verdicts, as_json, _replay(facts, str(path)))
    return code


def _judged_again(path: Path, facts: Mapping[str, Any], runs: Sequence[Judged]) -> tuple[list[Verdict], int]:
    """The verdicts of a kept run, and its exit code.

    Raises:
        HistoryError: A history lacks what it must have.
    """
    try:
        verdicts = weighed(judge_runs(runs, frozenset(facts.get("codes") or ()) or None),
                           facts.get("severity") or {})
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise HistoryError(f"{path}: the history lacks what it must have "
                           f"({type(error).__name__}: {error})") from None
    return verdicts, exit_code(
        [v for v in verdicts if v.code not in facts.get("accepted", ())], fail_on=facts["fail_on"],
        expected=demanded(runs, verdicts), invalid=bool(facts.get("invalid")),
        fault=bool(facts.get("fault")), nothing=not runs)


def report_command(path: Path, output: Path | None, form: str = "html", quiet: bool = False) -> int:
    """Write a report of a kept run; the HTML one into its folder, others to stdout, or to a file."""
    facts, runs, _ = read_run(path)
    verdicts, code = _judged_again(path, facts, runs)
    if form == "html":
        text = html_page(
            facts, verdicts, runs, code=code, run=str(path), replay=_replay(facts, str(path)),
            minimal={file.stem.removeprefix("minimal-"): file.read_text("utf-8")
                     for file in path.glob("minimal-*.yaml")})
        output = output or path / "report.html"
    else:
        document = _document(facts, verdicts, code, str(path))
        began = datetime.fromtimestamp((path / "run.json").stat().st_mtime, UTC)
        text = {"markdown": lambda: markdown_text(document, gate_of(verdicts)),
                "junit": lambda: junit_text(document, f"{began:%Y-%m-%dT%H:%M:%S}",
                                            frozenset(demanded(runs, verdicts))),
                "sarif": lambda: sarif_text(document, facts.get("target"), Path.cwd()),
                "json": lambda: json.dumps(document) + "\n"}[form]()
    if output is None:
        sys.stdout.write(text)
        return 0
    return _written(output, text, quiet)


def _written(place: Path, text: str, quiet: bool) -> int:
    try:
        place.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"--output {place}: {error.strerror or error}") from None
    if not quiet:
        print(place)
    return 0


def baseline_command(path: Path, reason: str) -> int:
    """Accept what a kept run found, into the baseline of the settings."""
    config = load_config(Path.cwd())
    if config.baseline is None:
        raise UsageError(f'{config.source}: name a file first: baseline = "galeproof-baseline.toml"')
    facts, runs, _ = read_run(path)
    verdicts, _ = _judged_again(path, facts, runs)
    text = baseline_text(config.accepted(), verdicts, str(facts["subject"]), reason)
    config.baseline.write_text(text, "utf-8")
    print(f"wrote {config.baseline}: {text.count('[[accepted]]')} findings are accepted")
    return 0


def _carry_out(config: Config, subject: Subject, scenarios: list[Scenario],
               codes: frozenset[str] | None, engine: str, seed: int, as_json: bool,
               output: Path, spared: Mapping[str, str] | None = None, checked: bool = False) -> int:
    folder = RunFolder.new(output)
    try:
        return _kept_run(folder, config, subject, scenarios, codes, engine, seed, as_json, spared or {},
                         checked)
    except BaseException:  # Ctrl-C too: a folder that holds nothing says nothing
        folder.discard_if_empty()
        raise


def _kept_run(folder: RunFolder, config: Config, subject: Subject, scenarios: list[Scenario],
              codes: frozenset[str] | None, engine: str, seed: int, as_json: bool,
              spared: Mapping[str, str], checked: bool) -> int:
    subject = subject.logging_to(folder.path / "subject.log")
    sources = {scenario.name: scenario.source for scenario in scenarios}
    kept: dict[str, Judged] = {}

    def in_order(names: Collection[str]) -> list[str]:
        return [name for name in sources if name in names]

    def keep(judged: Judged) -> None:  # at once: a run that is ended keeps what it has
        name = str(judged.history.header["scenario"])
        kept[name] = judged
        folder.write("run.json", {**facts, "kept": in_order(kept), "interrupted": True})
        folder.keep(name, judged, sources[name], single=len(scenarios) == 1)

    for name, source in sources.items():
        folder.keep_source(name, source, single=len(scenarios) == 1)
    say: Callable[[str], None] = (lambda text: None) if as_json else _say
    with Station(engine, seed=seed, log=folder.path / "toxiproxy.log") as station:
        say(f"galeproof {__version__}  engine {station.engine}  seed {seed}  "
            f"subject {subject.name}")
        number = iter(range(1, len(scenarios) + 1))
        facts = facts_of_run(config, subject, list(sources), engine=station.engine, option=engine,
                             seed=seed, codes=codes)
        if checked and scenarios:
            found = self_check(station, seed)
            facts["self_check"] = found.as_json()
            say(f"  {found.line()}")
        try:
            result = asyncio.run(run_catalogue(
                station, subject, scenarios, seed, codes,
                lambda name: say(f"  [{next(number)}/{len(scenarios)}] {name}"), keep=keep))
        except KeyboardInterrupt:
            _say(f"galeproof: interrupted; what was recorded is kept in {folder.path}")
            raise
    facts |= {"kept": in_order(kept), "invalid": result.invalid, "fault": result.fault,
              "not_applicable": {r.scenario: r.skipped for r in result.runs if r.skipped} | dict(spared)}
    folder.write("run.json", facts)
    verdicts = weighed(result.verdicts, config.severity)
    accepted = config.accepted()
    lived_with = [v for v in verdicts if accepted.accepts(v, subject.name)]
    facts["accepted"] = sorted(v.code for v in lived_with)
    folder.write("run.json", facts)
    code = exit_code([v for v in verdicts if v not in lived_with], fail_on=config.fail_on,
                     expected=result.expected(), invalid=bool(result.invalid), fault=bool(result.fault),
                     nothing=not result.judged)
    document = _document(facts, verdicts, code, str(folder.path))
    folder.write("verdicts.json", document)
    (folder.path / "report.html").write_text(
        html_page(facts, verdicts, result.judged, code=code, run=str(folder.path),
                  replay=_replay(facts, str(folder.path))), "utf-8")
    folder.mark_latest()
    _print(document, verdicts, as_json, _replay(facts, str(folder.path)))
    if not as_json:
        for name, why in facts["not_applicable"].items():
            print(f"not run  {one_line(f'{name}: {why}')}")
        for verdict in lived_with:
            print(plain(f"accepted {verdict.code}: {accepted.reason(verdict)} (baseline {config.baseline})"))
        for entry in accepted.stale(verdicts, subject.name):
            print(f"note     {entry.code} holds now: take it out of {config.baseline}")
        _closing(result, code, folder.path, len(lived_with))
    return code


def _say(text: str) -> None:
    print(plain(text), file=sys.stderr, flush=True)


def _replay(facts: Mapping[str, Any], path: str) -> str:
    """The command that drives the subject again."""
    if facts.get("target"):
        return f"galeproof replay {path}"
    return f"pytest --galeproof-replay {path}  #"


def _document(facts: Mapping[str, Any], verdicts: Sequence[Verdict], code: int,
              path: str) -> dict[str, Any]:
    rows = []
    for verdict in verdicts:
        row = dict(verdict.as_json())
        row["not_run"] = sorted(facts.get("not_applicable") or {})
        row["findings"] = [{**f, "replay": f"{_replay(facts, path)} {verdict.code}"}
                           for f in row["findings"]]
        rows.append(row)
    document = {
            "schema": 1, "version": facts["version"], "exit": code, "run": path,
            "engine": facts["engine"], "seed": facts["seed"], "subject": facts["subject"],
            "invalid": facts.get("invalid"), "fault": facts.get("fault"), "verdicts": rows,
            "false_alarm_bound": float(f"{false_alarm_bound(verdicts):.2g}"),
            "not_run": facts.get("not_applicable") or {}}
    return dict(each_text(document, encodable))


def _print(document: Mapping[str, Any], verdicts: Sequence[Verdict], as_json: bool,
           replay: str) -> None:
    if as_json:
        print(json.dumps(document))
        return
    print_table(verdicts, replay, sys.stdout)


def _shown_of(judged: Judged, verdicts: Sequence[Verdict]) -> dict[str, list[str]]:
    """The operations of a scenario to show on the wire, each with the codes that it is an example of."""
    shown: dict[str, list[str]] = {}
    for verdict in verdicts:
        if verdict.findings and judged.history.header["scenario"] == verdict.scenarios[0]:
            ref = next((f.operation for f in verdict.findings
                        if f.operation in judged.history.header["refs"]), None)
            if ref:
                shown.setdefault(ref, []).append(verdict.code)
    return shown


def _closing(result: CatalogueResult, code: int, path: Path, accepted: int) -> None:
    for judged in result.judged:
        if text := unmet(judged.history):
            print(plain(f"note     {judged.history.header['scenario']}: {text}"))
    for judged in result.judged:
        name = judged.history.header["scenario"]
        for ref, codes in _shown_of(judged, result.verdicts).items():
            print(plain(f"\n{', '.join(codes)} on the wire, {name}, {ref}:"))
            print("\n".join(wire_lines(judged.history, ref)))
    holds = "every exercised invariant holds" if result.judged else "nothing was run"
    if accepted:
        holds = f"{accepted} accepted findings, nothing new"
    words = {0: holds, 1: "findings", 3: f"INVALID: {result.invalid}",
             4: f"harness fault: {result.fault}",
             5: "undecided: an expected invariant is UNKNOWN" if result.judged else holds}
    lag = max((j.history.header.get("lag_p99_ms", 0) for j in result.judged), default=0)
    quiet = "quiet" if lag < QUIET_LAG_MS else "not quiet"
    print(f"\nlag p99 {lag:g} ms ({quiet}); false alarms by chance in less "
          f"than {false_alarm_bound(result.verdicts):.1g} of such runs; run kept in {path}")
    print(f"look at it: {path / 'report.html'}")
    print(plain(f"galeproof: {words.get(code, code)} (exit {code})"))
