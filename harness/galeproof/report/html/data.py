"""What the report's charts are drawn from: compact figures, in ms since the run's start.

One operation is ``[ref, name, kind, outcome, error, start, end, attempts, effects, finding]``, one
attempt ``[start, end, word, status, whole, closed, retry_after_s, key, x]``; what is not known is null.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from galeproof.invariants._case import Case
from galeproof.model import History, Profile, Verdict, parse_profile
from galeproof.model.exchange import Exchange, Operation
from galeproof.runner import Judged

__all__ = ["scenarios_of"]

_MOST_GAPS = 2000
_LONGEST = 200


def scenarios_of(runs: Sequence[Judged], verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Return one mapping a scenario.

    Args:
        runs: The kept histories.
        verdicts: Over all of them; their findings mark operations.
    """
    found: dict[str, list[str]] = {}
    for verdict in verdicts:
        for finding in verdict.findings:
            if finding.operation:
                found.setdefault(finding.operation, []).append(verdict.code)
    return [_scenario(run.history, found) for run in runs]


def _scenario(history: History, found: Mapping[str, list[str]]) -> dict[str, Any]:
    profile = parse_profile(history.header.get("profile") or {})
    case = Case.of(history, profile)
    header = history.header
    return {
        "name": str(header["scenario"]), "words": list(header.get("words") or ()),
        "lag": header.get("lag_p99_ms"), "effects": header.get("effects"),
        "attribution": header.get("attribution"), "engine": header.get("engine"),
        "budget_s": header.get("budget_s"), "cold": bool(header.get("cold")),
        "probes": [[str(e.data.get("channel")), bool(e.data.get("found"))] for e in history.of("probe")],
        "operations": [_operation(case, o, found.get(o.ref, [])) for o in case.operations],
        "strays": len(case.attribution.strays), "gaps": _gaps(case), "profile": _declared(profile),
    }


def _declared(profile: Profile) -> dict[str, Any]:
    backoff = profile.backoff
    return {"deadline_ms": _ms_of_s(profile.deadline_s), "max_attempts": profile.max_attempts,
            "read_timeout_ms": _ms_of_s(profile.read_timeout_s),
            "retry_after_max_ms": _ms_of_s(profile.retry_after_max_s),
            "retry_on": list(profile.retry_on) if profile.retry_on is not None else None,
            "backoff": None if backoff is None else {
                "base_ms": 1000 * backoff.base_s, "factor": backoff.factor,
                "cap_ms": 1000 * backoff.cap_s, "jitter": backoff.jitter}}


def _ms_of_s(value: float | None) -> float | None:
    return None if value is None else 1000 * value


def _ms(ns: int | None) -> float | None:
    return None if ns is None else round(ns / 1e6, 1)


def _operation(case: Case, operation: Operation, codes: list[str]) -> list[Any]:
    error = operation.error or {}
    return [
        operation.ref, operation.name, operation.kind, operation.outcome,
        str(error.get("type") or "")[:_LONGEST] or None, _ms(case.begun_ns(operation)),
        _ms(case.seen_until_ns(operation)), [_attempt(case, a) for a in operation.attempts],
        len({effect for a in operation.attempts for effect in a.effects}), list(dict.fromkeys(codes))]


def _attempt(case: Case, attempt: Exchange) -> list[Any]:
    after = attempt.answer_header("retry-after")
    return [_ms(attempt.start_lo_ns), _ms(attempt.end_hi_ns or attempt.client_left_ns), attempt.word,
            attempt.status, attempt.complete, attempt.closed,
            after[:_LONGEST] if after else None, (case.key_of(attempt) or "")[:_LONGEST] or None,
            attempt.x]


def _gaps(case: Case) -> dict[str, list[float]]:
    """The waits before each retry, in ms, by the retry's number; those under a Retry-After apart."""
    gaps: dict[str, list[float]] = {}
    for operation in case.sound():
        for number, (before, after) in enumerate(itertools.pairwise(operation.requests), 1):
            if before.end_hi_ns is None:
                continue
            name = f"retry {number}" + (
                " after Retry-After" if before.answer_header("retry-after") else "")
            kept = gaps.setdefault(name, [])
            if len(kept) < _MOST_GAPS:
                kept.append(round((after.start_lo_ns - before.end_hi_ns) / 1e6, 1))
    return gaps
