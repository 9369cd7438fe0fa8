"""Scenario files as pytest items: one an expected invariant, from one run a scenario."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from galeproof.errors import HarnessError
from galeproof.model import Outcome, Verdict
from galeproof.plugin import shared_of
from galeproof.report import table_lines, wire_lines
from galeproof.runner import run_catalogue
from galeproof.runner.catalogue import CatalogueResult
from galeproof.scenario import Scenario, load_scenario

__all__ = ["ScenarioFile", "ScenarioItem"]


class ScenarioFile(pytest.File):
    """One scenario file. Its items share an xdist group, so that one worker runs it once."""

    def collect(self) -> Iterator[ScenarioItem]:
        """Give one item for each invariant that the scenario must exercise."""
        shared = shared_of(self.config)
        try:
            scenario = load_scenario(self.path, shared.codes)
        except HarnessError as error:
            raise self.CollectError(str(error)) from None
        for code in scenario.expect.exercised:
            yield ScenarioItem.from_parent(self, name=code, scenario=scenario)


class ScenarioItem(pytest.Item):
    """One invariant of one scenario."""

    def __init__(self, *, scenario: Scenario, **given: Any) -> None:
        super().__init__(**given)
        self._scenario = scenario
        self.add_marker(pytest.mark.xdist_group(f"galeproof-{scenario.name}"))

    def runtest(self) -> None:
        """Run the scenario if no item has, and settle this invariant."""
        shared = shared_of(self.config)
        result = shared.results.get(self._scenario.name)
        if result is None:
            subject = shared.config.subject(None)
            result = asyncio.run(run_catalogue(shared.station, subject, [self._scenario],
                                               shared.seed))
            shared.results[self._scenario.name] = result
        if result.invalid or result.fault:
            pytest.fail(f"INVALID: {result.invalid}" if result.invalid
                        else f"harness fault: {result.fault}", pytrace=False)
        for run in result.runs:
            if run.skipped:
                pytest.skip(run.skipped)
        verdict = next((v for v in result.verdicts if v.code == self.name), None)
        if verdict is None:
            pytest.fail(f"{self.name}: not exercised", pytrace=False)
        if verdict.outcome is Outcome.UNKNOWN and verdict.reason == "undeclared":
            pytest.skip(f"{self.name}: undeclared; {verdict.note}")
        if verdict.outcome is not Outcome.PASS:
            pytest.fail(self._text(verdict, result), pytrace=False)

    def _text(self, verdict: Verdict, result: CatalogueResult) -> str:
        lines = table_lines([verdict], f"galeproof run {self._scenario.name} --seed "
                                       f"{shared_of(self.config).seed}  #")
        for finding in verdict.findings[:1]:
            if finding.operation:
                lines += wire_lines(result.judged[0].history, finding.operation)
        return "\n".join(lines)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Name the item as people read it."""
        return self.path, None, f"{self._scenario.name}: {self.name}"
