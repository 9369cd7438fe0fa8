"""RAF002 retry-after-date."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants._timing import lagged_s
from galeproof.invariants.raf._date import AGES_S, http_date
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["RAF002"]

_TELL = Teller("RAF002", "retry-after-date", "major", "s")
_RESOLUTION_S = 1.0  # of the format: a client that cuts its own clock to seconds is right
_SLACK_S = 0.02
_FAR_S = 2.0  # nearer than this a date cannot be told from a backoff
_SKEWED_S = 2.0
_IMMEDIATE_S = (0.005, 0.01)  # on a quiet machine, and at most
_BLURRED_S = 0.015  # a retry at once was seen to take so long where six clients shared two cores
# what a slip in the reading of a header raises; no client tells its caller so on purpose
_SLIPS = frozenset(f"builtins.{name}" for name in (
    "AttributeError", "IndexError", "KeyError", "NameError", "OverflowError", "TypeError",
    "UnboundLocalError", "ValueError"))
_MEND = ("read all three date formats as GMT and wait until then (email.utils."
         "parsedate_to_datetime), or give up; a date in the past means the usual backoff")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A date in an answer: its format, and how far ahead it lay when the answer left."""

    form: str
    wanted_s: float


@dataclass(frozen=True, slots=True)
class _Soon:
    """One operation's retries after dates in the past: the gaps before them in s, and how late
    heartbeats were in each."""

    operation: Operation
    gaps: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)


def check(case: Case) -> Verdict:
    """RAF002 retry-after-date.

    What it does: after 429 or 503 with ``Retry-After`` as an HTTP date, in any of the three
    formats, the client must not send that operation again before then (less the second that the
    format cuts off), nor crash on it. A date in the past must not make a hot loop. The provider's
    clock may be wrong: to count from its ``Date`` is right too, and so is giving up.

    Why it is bad: a date read as 0 ms, or as local time, hammers the provider that asked for rest.

    Example: ``parseInt(value) || 0``; ``float(value)`` that raises; a date read in local time.

    Use instead: ``parsedate_to_datetime(value) - datetime.now(UTC)``.

    When it is unknown: the client never retries such an answer, or no such date came up
    (not_exercised); the client is too slow here for a wait to be told from none (noise).

    References: RFC 9110, 10.2.3 and 5.6.7; supabase-js PR 2634.
    """
    findings: list[tuple[str, Finding]] = []
    gaps: list[tuple[float, float]] = []
    past: list[_Soon] = []
    gave_up = 0
    for operation in case.sound():
        soon = _Soon(operation)
        for index, attempt in enumerate(operation.attempts):
            asked = _asked(case, attempt)
            if asked is None or 0 < asked.wanted_s < _FAR_S:
                continue
            if index + 1 == len(operation.attempts):
                gave_up += asked.wanted_s > 0 and operation.outcome == "failed"
                if _crashed(case, operation):
                    findings.append((asked.form, _crash(operation, attempt)))
                continue
            after = operation.attempts[index + 1]
            # the largest gap that the stamps allow: no early stamp makes a false alarm
            gap = (after.start_hi_ns - (attempt.end_lo_ns or 0)) / 1e9
            if asked.wanted_s <= 0:
                soon.gaps.append(gap)
                soon.late.append(lagged_s(case, attempt.end_lo_ns or 0, after.start_hi_ns))
                continue
            gaps.append((gap, asked.wanted_s))
            if gap < asked.wanted_s - _RESOLUTION_S - _SLACK_S:
                findings.append((asked.form, _early(operation, index, gap, asked)))
        if soon.gaps:
            past.append(soon)
    latency = _latency_s(case, past)
    sure = bool(findings)
    findings += [("IMF-fixdate", f) for f in _hot(past, latency)]
    if findings:
        severity = "major" if any(form == "IMF-fixdate" for form, _ in findings) else "minor"
        worst = min(gaps, key=lambda pair: pair[0] - pair[1], default=(0.0, 0.0))
        return _TELL.failed(case, [f for _, f in findings], observed=round(worst[0], 3),
                            limit=round(worst[1], 3), severity=severity, timing=not sure)
    if _blurred(past, latency):
        return _TELL.unknown(case, "noise", f"a call takes {1000 * latency:.0f} ms to the wire, or "
                             "heartbeats were late: no wait can be told from none")
    return _held(case, gaps, len(past), gave_up)


def _held(case: Case, gaps: list[tuple[float, float]], past: int, gave_up: int) -> Verdict:
    given_up = gave_up if case.profile.retries(429) or case.profile.retries(503) else 0
    if gaps:
        worst = min(gaps, key=lambda pair: pair[0] - pair[1])
        return _TELL.passed(case, len(gaps) + past + given_up, observed=round(worst[0], 3),
                            limit=round(worst[1], 3))
    if given_up or past:
        note = "gave up instead of waiting" if given_up else "a date in the past made no hot loop"
        return _TELL.passed(case, given_up + past, note=note)
    return _TELL.unknown(case, case.doubt())


def _asked(case: Case, attempt: Exchange) -> _Asked | None:
    """What the answer asked for; the least of what the client's clock and the answer's say."""
    if attempt.status not in (429, 503) or attempt.end_lo_ns is None or not attempt.complete:
        return None
    until = http_date(attempt.answer_header("retry-after"))
    if until is None:
        return None
    said = http_date(attempt.answer_header("date"))
    start = float(case.history.header.get("start_wall_s") or 0.0)
    if not start:  # a record without a wall clock: Date may be a whole second old
        return _Asked(until[0], until[1] - said[1] - 1) if said else None
    now = start + attempt.end_lo_ns / 1e9
    wanted = until[1] - now
    if said and abs(said[1] - now) > _SKEWED_S:
        wanted = min(wanted, until[1] - said[1])
    if wanted > AGES_S:
        return None
    return _Asked(until[0], wanted)


def _early(operation: Operation, index: int, gap: float, asked: _Asked) -> Finding:
    attempt, after = operation.attempts[index], operation.attempts[index + 1]
    return Finding(operation.ref, (*attempt.evidence, after.evidence[0]),
                   f"{attempt.status} said Retry-After: {attempt.answer_header('retry-after')} "
                   f"({asked.form}, {asked.wanted_s:.1f} s ahead), attempt {index + 2} came after "
                   f"{gap:.3f} s", _MEND)


def _crashed(case: Case, operation: Operation) -> bool:
    kind = (operation.error or {}).get("type")
    return kind in _SLIPS and kind not in case.profile.errors.values()


def _crash(operation: Operation, attempt: Exchange) -> Finding:
    error = operation.error or {}
    assert operation.end is not None
    return Finding(operation.ref, (*attempt.evidence, operation.end.index),
                   f"Retry-After: {attempt.answer_header('retry-after')} crashed the client: "
                   f"{str(error.get('type')).removeprefix('builtins.')}: "
                   f"{str(error.get('text'))[:80]}", _MEND)


def _latency_s(case: Case, past: list[_Soon]) -> float:
    """How long the client takes from a call to its first byte: what a retry at once takes too."""
    if case.cold:
        return case.call_to_wire_s()[0]
    return statistics.median([(s.operation.attempts[0].start_hi_ns - s.operation.start.lo_ns) / 1e9
                              for s in past] or [0.0])


def _immediate_s(latency_s: float) -> float:
    return min(max(_IMMEDIATE_S[0], 1.5 * latency_s), _IMMEDIATE_S[1])


def _hot(past: list[_Soon], latency_s: float) -> list[Finding]:
    """Operations that were sent again at once, twice and more, after dates in the past.

    A jittered delay may be short by chance, so that half of all delays must be.
    """
    immediate_s = _immediate_s(latency_s)
    gaps = [gap for soon in past for gap in soon.gaps]
    if 2 * sum(gap < immediate_s for gap in gaps) < len(gaps):
        return []
    return [Finding(soon.operation.ref, tuple(a.evidence[0] for a in soon.operation.attempts),
                    f"Retry-After lay in the past: {len(soon.gaps)} retries after "
                    f"{', '.join(f'{1000 * gap:.1f}' for gap in soon.gaps[:5])} ms", _MEND)
            for soon in past if sum(gap < immediate_s for gap in soon.gaps) >= 2]


def _blurred(past: list[_Soon], latency_s: float) -> bool:
    """Whether it would be a hot loop, were it not for what the machine itself may have added to the gaps."""
    at_once_s = _immediate_s(latency_s)
    slow_s = max(_BLURRED_S, 2 * latency_s)
    told = [[gap < slow_s or gap - at_once_s < late for gap, late in zip(s.gaps, s.late, strict=True)]
            for s in past]
    loops = any(sum(soon) >= 2 for soon in told)
    return loops and 2 * sum(map(sum, told)) >= sum(map(len, told))


RAF002 = Invariant("RAF002", "retry-after-date", "RAF", "major", check)
