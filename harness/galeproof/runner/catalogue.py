"""Several scenarios on one subject, reruns where a verdict rests on time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from galeproof.model import Outcome, Verdict
from galeproof.runner.judging import RERUNS, Judged, expected_of, judge_one, judge_runs
from galeproof.runner.station import Station
from galeproof.runner.subjects import Subject
from galeproof.runner.weather import OBSERVE_S, Run, run_scenario
from galeproof.scenario import Scenario

__all__ = ["CatalogueResult", "run_catalogue"]


@dataclass(frozen=True, slots=True)
class CatalogueResult:
    """All runs of a subject and the verdicts over them."""

    runs: tuple[Run, ...]
    judged: tuple[Judged, ...]
    verdicts: tuple[Verdict, ...]

    def expected(self) -> set[str]:
        """Return the codes that the scenarios run must exercise."""
        return {code for judged in self.judged for code in expected_of(judged.history)}

    @property
    def invalid(self) -> str | None:
        """Why the subject cannot be judged."""
        return next((f"{r.scenario}: {r.invalid}" for r in self.runs if r.invalid), None)

    @property
    def fault(self) -> str | None:
        """Why the harness is to blame."""
        return next((f"{r.scenario}: {r.fault}" for r in self.runs if r.fault), None)


async def run_catalogue(
    station: Station, subject: Subject, scenarios: Sequence[Scenario], seed: int,
    codes: frozenset[str] | None = None, tell: Callable[[str], object] = lambda text: None,
    observe_s: float = OBSERVE_S, keep: Callable[[Judged], object] = lambda judged: None,
) -> CatalogueResult:
    """Run scenarios one after another.

    A FAIL that rests on elapsed time is run again (twice); an expected ``noise`` likewise.
    A failed control or a dead world ends the run. ``keep`` is given each scenario's histories
    as soon as it is over, and the partial one where the run is cancelled.
    """
    runs: list[Run] = []
    judged: list[Judged] = []
    for scenario in scenarios:
        tell(scenario.name)
        run = await run_scenario(station, subject, scenario, seed, observe_s,
                                 lambda history: keep(Judged(history)))
        runs.append(run)
        if run.history is None or run.fault or run.invalid:
            if run.history is not None:
                judged.append(Judged(run.history))
                keep(judged[-1])
            if run.invalid or run.fault:
                break
            continue
        one = Judged(run.history)
        keep(one)
        if _needs_rerun(one, codes):
            again = [await run_scenario(station, subject, scenario, seed, observe_s)
                     for _ in range(RERUNS)]
            one = dataclasses.replace(
                one, reruns=tuple(r.history for r in again if r.history is not None))
            keep(one)
        judged.append(one)
    return CatalogueResult(tuple(runs), tuple(judged), tuple(judge_runs(judged, codes)))


def _needs_rerun(judged: Judged, codes: frozenset[str] | None) -> bool:
    return any(v.timing and v.outcome is Outcome.FAIL for v in judge_one(judged, codes))
