"""One night: rounds of all scenarios, each with a seed of its own, until the time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from galeproof.kernel.chance import stream
from galeproof.kernel.clock import now_ns
from galeproof.model import Outcome, Verdict
from galeproof.runner.catalogue import needs_rerun, run_catalogue
from galeproof.runner.judging import Judged, judge_one
from galeproof.runner.nightly.store import NightRow, Store
from galeproof.runner.selfcheck import self_check
from galeproof.runner.station import Station
from galeproof.runner.subjects import Subject
from galeproof.scenario import Scenario

__all__ = ["Night", "Progress", "run_night"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a night is: cases settled, findings, seconds used and left."""

    round: int
    cases: int
    findings: int
    used_s: float
    left_s: float


@dataclass(slots=True)
class Night:
    """What became of a night.

    Attributes:
        row: Its row.
        rounds: Whole rounds in this sitting.
        cases: Cases settled in this sitting.
        failed: The histories that show a FAIL, the latest for each invariant and scenario.
        fault: Why it ended early (an invalid control, a harness fault), or None.
    """

    row: NightRow
    rounds: int = 0
    cases: int = 0
    failed: dict[tuple[str, str], Judged] = field(default_factory=dict)
    sound: dict[str, Judged] = field(default_factory=dict)
    fault: str | None = None
    invalid: str | None = None


def run_night(store: Store, row: NightRow, subject: Subject, scenarios: Sequence[Scenario], *,
              engine: str, budget_s: float, most_rounds: int | None = None,
              keep: Callable[[int, Judged], str | None] = lambda seed, judged: None,
              tell: Callable[[Progress], object] = lambda progress: None) -> Night:
    """Run rounds until the budget is spent; a round that was begun is finished.

    The seeds come from the night's own, so that nights of one seed try the same schedules in the same
    order. A case is settled once, with all its reruns; after a kill the night goes on where it was.

    Args:
        store: Where findings go.
        row: The night.
        subject: The client under test.
        scenarios: One round.
        engine: As in ``galeproof run``.
        budget_s: Seconds.
        most_rounds: Rounds from the night's beginning, or None.
        keep: Given a failing case's seed and histories; returns where they were kept.
        tell: Given the progress after each case.
    """
    night = Night(row)
    done = store.done(row.id)
    name = engine
    begin = now_ns()
    until = begin + int(budget_s * 1e9)
    for number, seed in enumerate(_seeds(row.seed), 1):
        if (most_rounds is not None and number > most_rounds) or now_ns() > until or night.fault:
            break
        left = [s for s in scenarios if (seed, s.name) not in done]
        if not left:
            continue

        def settle(judged: Judged, seed: int = seed, number: int = number) -> None:
            scenario = str(judged.history.header["scenario"])
            verdicts = judge_one(judged)
            if (seed, scenario) in done or judged.history.header.get("interrupted") or (
                    needs_rerun(judged, None) and not judged.reruns):
                return
            done.add((seed, scenario))
            _note(night, judged, scenario, verdicts)
            failed = any(v.outcome is Outcome.FAIL for v in verdicts)
            store.settle(row.id, seed, scenario, verdicts, keep(seed, judged) if failed else None)
            night.cases += 1
            used = (now_ns() - begin) / 1e9
            tell(Progress(number, len(done), len(night.failed), used, max(0.0, budget_s - used)))

        with Station(engine, seed=seed) as station:
            self_check(station, seed)
            result = asyncio.run(run_catalogue(station, subject, left, seed, keep=settle))
            name = station.engine
        night.rounds += 1
        night.invalid, night.fault = result.invalid, result.fault or result.invalid
        for judged in result.judged:  # what wanted a rerun and got none
            if not night.fault:
                settle(judged)
        for run in result.runs:
            if run.skipped:
                store.settle(row.id, seed, run.scenario, (), None)
    if not night.fault:
        store.end(row.id, name)
    return night


def _seeds(seed: int) -> Iterator[int]:
    rng = stream(seed, "nightly")
    while True:
        yield rng.randrange(2**31)


def _note(night: Night, judged: Judged, name: str, verdicts: Sequence[Verdict]) -> None:
    night.sound[name] = judged
    for verdict in verdicts:
        if verdict.outcome is Outcome.FAIL:
            night.failed[verdict.code, name] = judged
