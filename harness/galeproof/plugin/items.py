"""Scenario files as pytest items: one an expected invariant, from one run a scenario."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from galeproof.errors import HarnessError
from galeproof.model import Outcome, Verdict
from galeproof.plugin import shared_of
from galeproof.plugin.once import once
from galeproof.plugin.share import Shared
from galeproof.plugin.telling import refusal, tell
from galeproof.report import table_lines, wire_lines
from galeproof.report.plain import plain
from galeproof.runner import run_catalogue
from galeproof.runner.catalogue import CatalogueResult
from galeproof.runner.config import weighed
from galeproof.runner.facts import facts_of_run
from galeproof.scenario import Scenario, load_scenario

__all__ = ["ScenarioFile", "ScenarioItem"]


class ScenarioFile(pytest.File):
    """One scenario file."""

    def collect(self) -> Iterator[ScenarioItem]:
        """Give one item for each invariant that the scenario must exercise and the project wants."""
        shared = shared_of(self.config)
        try:
            scenario = load_scenario(self.path, shared.codes)
            wanted = shared.config.codes()
        except HarnessError as error:
            raise self.CollectError(str(error)) from None
        for code in scenario.expect.exercised:
            if code in wanted:
                yield ScenarioItem.from_parent(self, name=code, scenario=scenario)


class ScenarioItem(pytest.Item):
    """One invariant of one scenario."""

    def __init__(self, *, scenario: Scenario, **given: Any) -> None:
        super().__init__(**given)
        self._scenario = scenario
        self.add_marker(pytest.mark.xdist_group(f"galeproof-{scenario.name}"))

    def runtest(self) -> None:
        """Settle this invariant; the first item of a file runs the scenario."""
        shared = shared_of(self.config)
        result = _result(shared, self._scenario)
        if result.invalid or result.fault:
            pytest.fail(refusal(result), pytrace=False)
        for run in result.runs:
            if run.skipped:
                pytest.skip(run.skipped)
        verdict = next((v for v in weighed(result.verdicts, shared.config.severity)
                        if v.code == self.name), None)
        if verdict is not None and result.judged:
            tell(self, [verdict], result.judged[0].history)
        if verdict is None:
            pytest.fail(f"{self.name}: not exercised", pytrace=False)
        if verdict.outcome is Outcome.UNKNOWN and (
                verdict.reason == "undeclared" or verdict.code not in result.expected()):
            pytest.skip(plain(f"{self.name}: {verdict.reason}; {verdict.note}"))
        if verdict.outcome is Outcome.UNKNOWN or shared.config.fails(verdict):
            pytest.fail(self._text(verdict, result), pytrace=False)
        if verdict.outcome is Outcome.FAIL:
            warnings.warn(pytest.PytestWarning(self._text(verdict, result)), stacklevel=1)

    def _text(self, verdict: Verdict, result: CatalogueResult) -> str:
        shared = shared_of(self.config)
        path = shared.keep(result.judged[0], self._scenario.source,
                           _facts(shared, self._scenario, result))
        lines = table_lines([verdict], f"galeproof replay {path}")
        for finding in verdict.findings[:1]:
            if finding.operation:
                lines += wire_lines(result.judged[0].history, finding.operation)
        return "\n".join(lines)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Name the item as people read it."""
        return self.path, None, f"{self._scenario.name}: {self.name}"


def _result(shared: Shared, scenario: Scenario) -> CatalogueResult:
    def run() -> CatalogueResult:
        subject = shared.config.subject(None)
        return asyncio.run(run_catalogue(shared.station, subject, [scenario], shared.seed))

    if scenario.name not in shared.results:
        shared.results[scenario.name] = run() if shared.common is None else once(
            shared.common, scenario, run, lambda result: _facts(shared, scenario, result))
    return shared.results[scenario.name]


def _facts(shared: Shared, scenario: Scenario, result: CatalogueResult) -> dict[str, object]:
    return facts_of_run(
        shared.config, shared.config.subject(None), [scenario.name], engine=shared.engine,
        option=shared.engine, seed=shared.seed, kept=[scenario.name] if result.judged else [],
        invalid=result.invalid, fault=result.fault,
        not_applicable={r.scenario: r.skipped for r in result.runs if r.skipped})
