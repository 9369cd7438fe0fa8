"""Histories to verdicts: one verdict an invariant, over all schedules and reruns. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from galeproof.invariants import judge
from galeproof.model import History, Outcome, Profile, Verdict, combine, parse_profile
from galeproof.runner.firing import fired, lacking

__all__ = ["Judged", "QUIET_LAG_MS", "RERUNS", "demanded", "expected_of", "judge_one", "judge_runs"]

RERUNS = 2
QUIET_LAG_MS = 20.0  # p99: a machine that is later than this is not quiet
_INSIDE = frozenset({"SEC002", "SEC004", "SEC005"})
_SIGNALS = frozenset({"SEC003", "OBS002"})  # of a subject that tells OpenTelemetry nothing
_OF_RETRIES = frozenset({"IDM", "JIT", "RAF", "RTY"})
_OPTIONAL = frozenset({"RAF005"})  # a field that most clients know nothing of
_HIDDEN = frozenset({"noise", "capture_missing", "attribution"})
# what a sound policy may never reach: a delay before the first retry, the cap, sixty delays, a third
# retry, an attempt that the deadline cuts short
_BY_POLICY = frozenset({"OBS003", "JIT002", "JIT003", "JIT005", "RTY005", "TMO007"})


@dataclass(frozen=True, slots=True)
class Judged:
    """One scenario's histories: the first, and reruns of it (for timing verdicts)."""

    history: History
    reruns: tuple[History, ...] = ()


def expected_of(history: History) -> tuple[str, ...]:
    """Return the codes that this history's scenario must exercise."""
    return tuple(history.header.get("expect", {}).get("exercised", ()))


def demanded(runs: Sequence[Judged], verdicts: Sequence[Verdict]) -> set[str]:
    """Return the codes that must not end UNKNOWN.

    A code is excused where it was not exercised and that is the subject's nature: each of its
    scenarios lost operations that the subject lacks, or it is about retries and none are promised, or
    about what a sound policy need not reach, about telemetry of a subject that has none, or about
    objects inside a process of another language.
    """
    idle = {v.code for v in verdicts if v.reason == "not_exercised"}
    wanted = {code for run in runs for code in expected_of(run.history)} - (idle & _BY_POLICY)
    wanted -= {v.code for v in verdicts if v.reason == "undeclared" and v.code in _OPTIONAL}
    if any(profile_of(run.history).max_attempts == 1 for run in runs):
        wanted -= {code for code in idle if code[:3] in _OF_RETRIES}
    wanted -= {v.code for v in verdicts if v.code in _SIGNALS and v.reason == "capture_missing"}
    if any(run.history.header.get("foreign") for run in runs):  # what no other language shows
        wanted -= {v.code for v in verdicts if v.code in _INSIDE and v.reason == "capture_missing"}
    return wanted - (idle - _whole(runs))


def _whole(runs: Sequence[Judged]) -> set[str]:
    """Codes that a scenario exercises which lost no operation."""
    return {code for run in runs if not lacking(run.history) for code in expected_of(run.history)}


def profile_of(history: History) -> Profile:
    """Return the profile that the run was judged by."""
    return parse_profile(history.header.get("profile") or {})


def judge_one(judged: Judged, codes: Collection[str] | None = None) -> list[Verdict]:
    """Judge one scenario. A FAIL that rests on time needs its reruns to agree; ``noise`` is settled
    by those reruns that were quiet enough."""
    profile = profile_of(judged.history)
    verdicts = []
    blew = fired(judged.history)
    distrusted = judged.history.header.get("distrusted") or {}
    again = [{v.code: v for v in judge(h, profile, codes)} for h in judged.reruns]
    for verdict in judge(judged.history, profile, codes):
        verdict = _settled(verdict, [other[verdict.code] for other in again])
        if why := distrusted.get(verdict.code[:3]):
            verdict = _doubt(verdict, "harness_fault", f"self-check: {why}")
        if verdict.outcome is Outcome.PASS and not blew:
            verdict = _doubt(verdict, "not_exercised", "the scenario's fault never fired")
        verdicts.append(dataclasses.replace(
            verdict, scenarios=(str(judged.history.header["scenario"]),)))
    return verdicts


def _settled(verdict: Verdict, again: list[Verdict]) -> Verdict:
    if verdict.timing and verdict.outcome is Outcome.FAIL and any(
            other.outcome is not Outcome.FAIL for other in again):
        return _doubt(verdict, "noise", "not every rerun showed it")
    if verdict.reason != "noise":
        return verdict
    decided = [other for other in again if other.outcome is not Outcome.UNKNOWN]
    # a timing FAIL needs three of three, and the first run did not show it
    fails = [other for other in decided if other.outcome is Outcome.FAIL and not other.timing]
    if fails:  # its evidence stands in another history than the one that is kept first
        return dataclasses.replace(fails[0], findings=tuple(
            dataclasses.replace(f, evidence=()) for f in fails[0].findings), note="seen in a rerun")
    if decided and all(other.outcome is Outcome.PASS for other in decided):
        return decided[0]
    return verdict


def _doubt(verdict: Verdict, reason: str, note: str) -> Verdict:
    return dataclasses.replace(verdict, outcome=Outcome.UNKNOWN, reason=reason, note=note,
                               findings=())


def judge_runs(runs: Sequence[Judged], codes: Collection[str] | None = None) -> list[Verdict]:
    """Give one verdict for each invariant over all scenarios of a run.

    An invariant that no scenario expects and none exercised is left out.
    """
    by_code: dict[str, list[Verdict]] = {}
    wanted = {code for run in runs for code in expected_of(run.history)}
    wanted_by = {str(run.history.header["scenario"]): frozenset(expected_of(run.history))
                 for run in runs}
    unfired: set[str] = set()
    for run in runs:
        if not lacking(run.history) and not fired(run.history):
            unfired |= set(expected_of(run.history))
        for verdict in judge_one(run, codes):
            by_code.setdefault(verdict.code, []).append(verdict)
    result = []
    for code in sorted(by_code):
        verdict = combine(_scheduled(by_code[code], wanted_by))
        if code in unfired and verdict.outcome is Outcome.PASS:
            verdict = _doubt(verdict, "not_exercised", "a scenario's fault never fired")
        if verdict.outcome is Outcome.UNKNOWN and verdict.reason == "not_exercised":
            if code not in wanted and (codes is None or code not in codes):
                continue
            verdict = _not_scheduled(verdict, runs)
        result.append(verdict)
    return result


def _scheduled(verdicts: list[Verdict], wanted_by: Mapping[str, frozenset[str]]) -> list[Verdict]:
    """Leave out noise, and what could not be captured or attributed, of a scenario that was not made for
    this invariant: a storm of many operations at once, or one that a client does not survive, hides what
    another one shows, and takes nothing from it."""
    kept = [v for v in verdicts if v.reason not in _HIDDEN
            or any(v.code in wanted_by.get(name, ()) for name in v.scenarios)]
    decided = any(v.outcome is not Outcome.UNKNOWN for v in kept)
    return kept if decided else verdicts


def _not_scheduled(verdict: Verdict, runs: Sequence[Judged]) -> Verdict:
    """Name what the subject lacks, where that is why nothing arose."""
    missing = {phrase for run in runs if verdict.code in expected_of(run.history)
               for phrase in lacking(run.history)}
    if verdict.note or not missing or verdict.code in _whole(runs):
        return verdict
    return dataclasses.replace(
        verdict, note=f"not scheduled: the subject has no {' or '.join(sorted(missing))}")
