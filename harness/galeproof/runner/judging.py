"""Histories to verdicts: one verdict an invariant, over all schedules and reruns. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from galeproof.invariants import judge
from galeproof.model import History, Outcome, Profile, Verdict, combine, parse_profile

__all__ = ["Judged", "RERUNS", "expected_of", "fired", "judge_one", "judge_runs"]

RERUNS = 2


@dataclass(frozen=True, slots=True)
class Judged:
    """One scenario's histories: the first, and reruns of it (for timing verdicts)."""

    history: History
    reruns: tuple[History, ...] = ()


def fired(history: History) -> bool:
    """Tell whether a fault that the schedule plans met at least one attempt."""
    words = history.header.get("words") or []
    if not any(word != "ok" for word in words):
        return True  # calm air plans none
    return any(
        (e.kind == "head" and e.data.get("step") is not None
         and words[e.data["step"]] != "ok" and (words[e.data["step"]] != "stale"
                                                or e.data.get("nth", 1) > 1))
        or (e.kind == "close" and e.data.get("planned") and "x" not in e.data)
        or (e.kind == "refused" and e.data.get("seen"))
        or (e.kind == "blackhole" and e.data.get("made"))
        for e in history.events
    )


def expected_of(history: History) -> tuple[str, ...]:
    """Return the codes that this history's scenario must exercise."""
    return tuple(history.header.get("expect", {}).get("exercised", ()))


def profile_of(history: History) -> Profile:
    """Return the profile that the run was judged by."""
    return parse_profile(history.header.get("profile") or {})


def judge_one(judged: Judged, codes: Collection[str] | None = None) -> list[Verdict]:
    """Judge one scenario. A FAIL that rests on time needs its reruns to agree."""
    profile = profile_of(judged.history)
    verdicts = []
    again = [{v.code: v for v in judge(h, profile, codes)} for h in judged.reruns]
    for verdict in judge(judged.history, profile, codes):
        if verdict.timing and verdict.outcome is Outcome.FAIL and again and not all(
                other[verdict.code].outcome is Outcome.FAIL for other in again):
            verdict = _doubt(verdict, "noise", "not every rerun showed it")
        if not fired(judged.history) and verdict.outcome is Outcome.PASS and (
                verdict.code in expected_of(judged.history)):
            verdict = _doubt(verdict, "not_exercised", "the scenario's fault never fired")
        verdicts.append(dataclasses.replace(
            verdict, scenarios=(str(judged.history.header["scenario"]),)))
    return verdicts


def _doubt(verdict: Verdict, reason: str, note: str) -> Verdict:
    return dataclasses.replace(verdict, outcome=Outcome.UNKNOWN, reason=reason, note=note,
                               findings=())


def judge_runs(runs: Sequence[Judged], codes: Collection[str] | None = None) -> list[Verdict]:
    """Give one verdict for each invariant over all scenarios of a run.

    An invariant that no scenario expects and none exercised is left out.
    """
    by_code: dict[str, list[Verdict]] = {}
    wanted = {code for run in runs for code in expected_of(run.history)}
    unfired: set[str] = set()
    for run in runs:
        if not fired(run.history):
            unfired |= set(expected_of(run.history))
        for verdict in judge_one(run, codes):
            by_code.setdefault(verdict.code, []).append(verdict)
    result = []
    for code in sorted(by_code):
        verdict = combine(by_code[code])
        if code in unfired and verdict.outcome is Outcome.PASS:
            verdict = _doubt(verdict, "not_exercised", "a scenario's fault never fired")
        if verdict.outcome is Outcome.UNKNOWN and verdict.reason == "not_exercised" and (
                code not in wanted and (codes is None or code not in codes)):
            continue
        result.append(verdict)
    return result


