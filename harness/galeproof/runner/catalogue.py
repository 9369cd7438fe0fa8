"""Several scenarios on one subject, reruns where a verdict rests on time."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from galeproof.model import Outcome, Verdict
from galeproof.runner.judging import RERUNS, Judged, demanded, expected_of, judge_one, judge_runs
from galeproof.runner.learning import learn
from galeproof.runner.station import Station
from galeproof.runner.subjects import Subject
from galeproof.runner.weather import OBSERVE_S, Run, run_scenario
from galeproof.scenario import Scenario

__all__ = ["CatalogueResult", "needs_rerun", "run_catalogue"]

_AT_ONCE = 5
_COLD_AT_ONCE = 2  # a process an operation: more would only wait for each other
_STARTING = 2  # processes that start at once: a start costs a core, a storm mostly waits


@dataclass(frozen=True, slots=True)
class CatalogueResult:
    """All runs of a subject and the verdicts over them."""

    runs: tuple[Run, ...]
    judged: tuple[Judged, ...]
    verdicts: tuple[Verdict, ...]

    def expected(self) -> set[str]:
        """Return the codes that must not end UNKNOWN."""
        return demanded(self.judged, self.verdicts)

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
    """Run scenarios: side by side where the subject has a process of its own, else one by one.

    Most of a storm is waiting, so that several cost hardly more than one; a scenario that needs
    a quiet machine (``alone``) comes after the others. A FAIL that rests on elapsed time is run
    again (twice, alone); an expected ``noise`` likewise. A failed control or a dead world ends
    the run. ``keep`` is given each scenario's histories as soon as it is over, and the partial
    one where the run is cancelled.

    Args:
        station: The world.
        subject: The client under test.
        scenarios: In the order in which they are reported.
        seed: Of the run.
        codes: Which invariants are judged; all if None.
        tell: Given each scenario's name as it starts.
        observe_s: Observation budget of one operation.
        keep: Given what is known as soon as it is.
    """
    await learn(station, subject, seed)
    work = _Catalogue(station, subject, seed, codes, tell, observe_s, keep)
    together = [] if subject.in_process else [s for s in scenarios if not s.alone]
    await work.side_by_side(together)
    for scenario in scenarios:
        if scenario not in together and not work.over:
            await work.one(scenario)
    for name in [s.name for s in scenarios if s.name in work.judged]:
        await work.again(name, next(s for s in scenarios if s.name == name))
    runs = [work.runs[s.name] for s in scenarios if s.name in work.runs]
    judged = [work.judged[s.name] for s in scenarios if s.name in work.judged]
    return CatalogueResult(tuple(runs), tuple(judged), tuple(judge_runs(judged, codes)))


@dataclass(slots=True)
class _Catalogue:
    """A catalogue run in the making."""

    station: Station
    subject: Subject
    seed: int
    codes: frozenset[str] | None
    tell: Callable[[str], object]
    observe_s: float
    keep: Callable[[Judged], object]
    runs: dict[str, Run] = field(default_factory=dict)
    judged: dict[str, Judged] = field(default_factory=dict)
    starting: AbstractAsyncContextManager[object] = field(
        default_factory=lambda: asyncio.Semaphore(_STARTING))

    @property
    def over(self) -> bool:
        """A failed control or a dead world: what follows would prove nothing."""
        return any(run.invalid or run.fault for run in self.runs.values())

    async def side_by_side(self, scenarios: Sequence[Scenario]) -> None:
        """Run scenarios, several at once."""
        waiting = iter(scenarios)

        async def worker() -> None:
            for scenario in waiting:
                if self.over:
                    return
                await self.one(scenario)

        at_once = _COLD_AT_ONCE if self.subject.cold else _AT_ONCE
        tasks = [asyncio.ensure_future(worker()) for _ in range(min(at_once, len(scenarios)))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def one(self, scenario: Scenario) -> None:
        """Run one scenario and keep it."""
        self.tell(scenario.name)
        run = await run_scenario(self.station, self.subject, scenario, self.seed, self.observe_s,
                                 lambda history: self.keep(Judged(history)),
                                 starting=self.starting)
        self.runs[scenario.name] = run
        if run.history is not None:
            self.judged[scenario.name] = Judged(run.history)
            self.keep(self.judged[scenario.name])

    async def again(self, name: str, scenario: Scenario) -> None:
        """Run a scenario again whose verdict needs it; nothing else runs meanwhile."""
        if self.over or not needs_rerun(self.judged[name], self.codes):
            return
        runs = [await run_scenario(self.station, self.subject, scenario, self.seed, self.observe_s)
                for _ in range(RERUNS)]
        self.judged[name] = dataclasses.replace(
            self.judged[name], reruns=tuple(r.history for r in runs if r.history is not None))
        self.keep(self.judged[name])


def needs_rerun(judged: Judged, codes: frozenset[str] | None) -> bool:
    """Whether one run does not settle a scenario: a FAIL that rests on time, or an expected ``noise``."""
    expected = expected_of(judged.history)
    return any((v.timing and v.outcome is Outcome.FAIL)
               or (v.reason == "noise" and v.code in expected) for v in judge_one(judged, codes))
