"""Sound and defective clients through this world, judged by these invariants."""

from __future__ import annotations

import asyncio
import gzip
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from galeproof.invariants import INVARIANTS
from galeproof.model import History, Outcome, Verdict, parse_profile
from galeproof.model.codec import load_history
from galeproof.runner.judging import Judged, judge_one
from galeproof.runner.selfcheck import clients
from galeproof.runner.station import Station
from galeproof.runner.subjects import subject_of
from galeproof.runner.weather import run_scenario
from galeproof.scenario import load_scenario

__all__ = ["HERE", "PROFILE", "SelfCheck", "self_check"]

HERE = Path(__file__).parent
_OBSERVE_S = 12.0
PROFILE: Mapping[str, object] = {
    "max_attempts": 3, "connect_timeout_s": 0.3, "read_timeout_s": 0.3, "correlation_id": "X-Request-Id",
    "idempotency_key": "Idempotency-Key", "retry_after_max_s": 2.0,
    "retry_on": ["connect", "reset", "timeout", "truncated", 429, 500, 502, 503, 504],
    "backoff": {"base_s": 0.5, "factor": 1, "cap_s": 0.5, "jitter": "full"}}
_DRIVEN = (("storm.yaml", clients.Sound, clients.Defective),
           ("rest.yaml", clients.Sound, clients.StaleAfterARest),
           ("tokens.yaml", clients.SoundBearer, clients.DefectiveBearer))


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """What became of it.

    Attributes:
        wrong: Families that must not be trusted in this run, and why.
        undecided: Families of which the machine was too busy to tell, and why.
        right: Families that told the sound client from the defective one.
    """

    wrong: Mapping[str, str]
    undecided: Mapping[str, str]
    right: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Return the form of ``run.json``."""
        return {"right": list(self.right), "undecided": dict(self.undecided), "wrong": dict(self.wrong)}

    def line(self) -> str:
        """Say it in one line."""
        text = f"self-check: {len(self.right)} families tell a sound client from a defective one"
        for word, which in (("undecided", self.undecided), ("WRONG, not judged", self.wrong)):
            if which:
                text += f"; {word}: " + "; ".join(f"{family} ({why})" for family, why in which.items())
        return text


def self_check(station: Station, seed: int) -> SelfCheck:
    """Drive and judge them; breakers and budgets, whose storms take minutes, from kept histories.

    What comes out wrong is not judged by in this station any more. Also from within a running loop.

    Args:
        station: The world of the run that follows.
        seed: Of that run.
    """
    with ThreadPoolExecutor(1, "galeproof-self-check") as thread:
        found = thread.submit(lambda: asyncio.run(_checked(station, seed))).result()
    station.distrusted = found.wrong
    return found


async def _checked(station: Station, seed: int) -> SelfCheck:
    pairs = await asyncio.gather(*(_driven(station, seed, *one) for one in _DRIVEN))
    pairs += [_kept(family) for family in ("bud", "cbk")]
    return _weighed(pairs)


async def _driven(station: Station, seed: int, file: str, sound: type, defective: type
                  ) -> tuple[tuple[str, ...], History | str, History | str]:
    scenario = load_scenario(HERE / file, frozenset(INVARIANTS))

    async def one(client: type) -> History | str:
        subject = subject_of(f"{client.__module__}:{client.__name__}", parse_profile(PROFILE)
                             ).logging_to(Path(os.devnull))
        run = await run_scenario(station, subject, scenario, seed, _OBSERVE_S)
        return run.history if run.history and not run.fault else str(run.invalid or run.fault)

    first, second = await asyncio.gather(one(sound), one(defective))
    return tuple(scenario.expect.exercised), first, second


def _kept(family: str) -> tuple[tuple[str, ...], History | str, History | str]:
    found = [load_history(gzip.decompress((HERE / f"{family}-{which}.jsonl.gz").read_bytes()).decode())
             for which in ("sound", "defective")]
    return tuple(found[0].header["expect"]["exercised"]), found[0], found[1]


def _weighed(pairs: Sequence[tuple[tuple[str, ...], History | str, History | str]]) -> SelfCheck:
    wrong: dict[str, str] = {}
    undecided: dict[str, str] = {}
    right: list[str] = []
    for codes, *histories in pairs:
        told = [_verdicts(history, codes) for history in histories]
        for code in codes:
            said = [str(h) if isinstance(h, str) else _shown(verdicts[code])
                    for h, verdicts in zip(histories, told, strict=True)]
            if said == ["PASS", "FAIL"]:
                right.append(code[:3])
            elif said[0] in ("PASS", "noise") and said[1] in ("FAIL", "noise"):
                undecided[code[:3]] = "; ".join(
                    v[code].note for v in told if v and v[code].reason == "noise")
            else:
                wrong[code[:3]] = f"{code}: the sound client {said[0]}, the defective one {said[1]}"
    return SelfCheck(wrong, undecided, tuple(sorted(set(right) - wrong.keys() - undecided.keys())))


def _verdicts(history: History | str, codes: Sequence[str]) -> Mapping[str, Verdict]:
    if isinstance(history, str):
        return {}
    return {v.code: v for v in judge_one(Judged(history), frozenset(codes))}


def _shown(verdict: Verdict) -> str:
    return str(verdict.reason) if verdict.outcome is Outcome.UNKNOWN else verdict.outcome.value
