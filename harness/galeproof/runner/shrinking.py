"""Cutting a failing schedule down to the least that shows the failure, in the real world.

Delta debugging over operations, steps and what a step holds; each version is run, and kept where the
invariant still FAILs. What is left is confirmed three times of three.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from galeproof.errors import ScenarioError, UsageError
from galeproof.invariants import INVARIANTS
from galeproof.kernel.clock import now_ns
from galeproof.model import Outcome, Verdict
from galeproof.runner.judging import Judged, judge_one
from galeproof.runner.reduction import Plan, plain, reductions, size_of
from galeproof.runner.station import Station
from galeproof.runner.subjects import Subject
from galeproof.runner.weather import run_scenario
from galeproof.scenario import Scenario, parse_scenario

__all__ = ["Shrunk", "shrink", "shrinkable"]

_CONFIRMED = 3
_AT_ONCE = 4
_OBSERVE_S = 15.0
_STATISTICAL = frozenset({"JIT", "BUD", "CBK"})


@dataclass(frozen=True, slots=True)
class Shrunk:
    """What is left.

    Attributes:
        code: The invariant that fails.
        text: The scenario file.
        steps, operations, concurrent: Its size.
        runs: How many versions were run.
        confirmed: Of three runs of it, so many failed.
        whole: Nothing smaller fails; False where the time was over first.
    """

    code: str
    text: str
    steps: int
    operations: int
    concurrent: int
    runs: int
    confirmed: int
    whole: bool


def shrinkable(verdict: Verdict) -> bool:
    """Whether a verdict is a FAIL that one run decides: no timing, no statistics."""
    return (verdict.outcome is Outcome.FAIL and not verdict.timing
            and verdict.code[:3] not in _STATISTICAL)


async def shrink(station: Station, subject: Subject, scenario: Scenario, code: str, *, seed: int,
                 budget_s: float, state: Path | None = None,
                 tell: Callable[[str], object] = lambda text: None) -> Shrunk:
    """Cut a scenario down.

    Args:
        station: The world.
        subject: The client under test.
        scenario: In which the invariant fails.
        code: The invariant.
        seed: Of every run.
        budget_s: Time after which no further version is begun.
        state: A file that keeps what was found; where it exists, work goes on from there.
        tell: Given a line after each version that still fails.

    Raises:
        UsageError: The scenario does not fail it (any more), or the state file is another's.
    """
    work = _Work(station, subject, scenario, code, seed, now_ns() + int(budget_s * 1e9), state, tell)
    return await work.carry_out()


class _Work:
    def __init__(self, station: Station, subject: Subject, scenario: Scenario, code: str, seed: int,
                 until_ns: int, state: Path | None, tell: Callable[[str], object]) -> None:
        self._station, self._subject, self._code, self._seed = station, subject, code, seed
        self._until_ns, self._state, self._tell = until_ns, state, tell
        self._source = scenario.source
        self._best: list[Plan] = [plain(yaml.safe_load(scenario.source), code)]
        self._tried: dict[str, bool] = {}
        self._runs = 0
        self._resume()

    @property
    def _over(self) -> bool:
        return now_ns() > self._until_ns

    async def carry_out(self) -> Shrunk:
        if len(self._best) == 1 and not await self._fails(self._best[0]):
            raise UsageError(f"{self._code} does not FAIL in this scenario in a run of its own")
        whole = await self._cut()
        confirmed = 0
        while self._best:  # what failed by chance once is given back
            confirmed = sum([await self._fails(self._best[-1], again=True) for _ in range(_CONFIRMED)])
            if confirmed == _CONFIRMED or len(self._best) == 1:
                break
            self._best.pop()
            whole = False
        self._keep()
        best = self._best[-1]
        return Shrunk(self._code, _text(best), *size_of(best), self._runs, confirmed, whole)

    async def _cut(self) -> bool:
        """Take the first smaller version that fails, until there is none; False when out of time."""
        while True:
            found = None
            fresh = [p for p in reductions(self._best[-1])
                     if _valid(p) and not (_name(p) in self._tried and not self._tried[_name(p)])]
            for begin in range(0, len(fresh), self._at_once):
                if self._over:
                    return False
                batch = fresh[begin : begin + self._at_once]
                told = await asyncio.gather(*(self._fails(plan) for plan in batch))
                found = next((p for p, fails in zip(batch, told, strict=True) if fails), None)
                if found is not None:
                    break
            if found is None:
                return True
            self._best.append(found)
            self._keep()
            steps, operations, _ = size_of(found)
            self._tell(f"{self._code}: {steps} steps, {operations} operations")

    @property
    def _at_once(self) -> int:
        return 1 if self._subject.in_process else _AT_ONCE

    async def _fails(self, plan: Plan, *, again: bool = False) -> bool:
        name = _name(plan)
        if name in self._tried and not again:
            return self._tried[name]
        self._runs += 1
        scenario = parse_scenario(_text(plan), "shrinking", frozenset(INVARIANTS))
        run = await run_scenario(self._station, self._subject, scenario, self._seed, _OBSERVE_S)
        fails = run.history is not None and not run.invalid and not run.fault and any(
            shrinkable(v) for v in judge_one(Judged(run.history), [self._code]))
        self._tried[name] = fails
        return fails

    def _resume(self) -> None:
        if self._state is None or not self._state.exists():
            return
        try:
            kept: dict[str, Any] = json.loads(self._state.read_text("utf-8"))
            if kept["source"] == self._source and kept["code"] == self._code:
                self._best, self._tried = kept["best"], kept["tried"]
                self._runs = kept["runs"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{self._state}: not the state of a shrinking ({error!r}); "
                             "delete it to begin anew") from None

    def _keep(self) -> None:
        if self._state is not None:
            self._state.write_text(json.dumps({
                "code": self._code, "source": self._source, "best": self._best,
                "tried": self._tried, "runs": self._runs}), "utf-8")


def _valid(plan: Plan) -> bool:
    try:
        parse_scenario(_text(plan), "shrinking", frozenset(INVARIANTS))
    except ScenarioError:
        return False
    return True


def _name(plan: Plan) -> str:
    return hashlib.sha256(json.dumps(plan, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _text(plan: Plan) -> str:
    return str(yaml.safe_dump(plan, sort_keys=False, default_flow_style=None, width=100))
