"""RTY003 retry-recovers."""

from __future__ import annotations

import json

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["RTY003"]

_TELL = Teller("RTY003", "retry-recovers", "major", "operations")
_KEPT = 4096  # characters of a string that the record keeps
_MEND = "retry what the profile declares (statuses and connection failures) and return the value"


def check(case: Case) -> Verdict:
    """RTY003 retry-recovers.

    What it does: a safe operation meets a transient failure that the profile declares retryable,
    and then a healthy provider. It should succeed, with the provider's own value.

    Why it is bad: a retry policy that never recovers is only load. This is the positive control
    of the whole family.

    Example: statuses are retried, resets are not; the loop swallows the error and returns None.

    Use instead: retry connection errors and statuses at one place, and return the answer.

    When it is unknown: no retries are declared (undeclared); no such failure came up
    (not_exercised); the machine was too busy: a healthy answer came after the declared deadline, or a
    quarter of that, or a whole timeout, was over before the first attempt (noise); the client was still
    waiting in a silence, with no declared timeout (undeclared).

    References: AWS REL05-BP03; gRFC A6.
    """
    if case.profile.retry_on is None:
        return _TELL.unknown(case, "undeclared", "to judge: retry_on = [...], max_attempts = ...")
    findings, held, late, watched = [], 0, 0, 0
    for operation in case.sound():
        if operation.kind != "read" or operation.cancel is not None:
            continue
        if not _recoverable(case, operation) or _cut_short(operation):
            continue
        problem = _problem(operation)
        if problem is None:
            held += 1
        elif _too_late(case, operation):
            late += 1
        elif _still_waiting(case, operation):
            watched += 1
        else:
            findings.append(Finding(
                operation.ref, tuple(i for a in operation.attempts for i in a.evidence[:1]),
                f"{problem} after {_met(operation)}, {len(operation.attempts)} attempts", _MEND))
    if findings:
        return _TELL.failed(case, findings, observed=len(findings), limit=0)
    if late:
        return _TELL.unknown(case, "noise", f"{late} operations had too little of their "
                                            "declared time left for a retry", witnesses=held)
    if not held and watched:
        return _TELL.unknown(case, "undeclared", "still waiting in silence when the observation ended; "
                                                 "to judge: read_timeout_s = ...")
    if not held:
        return _TELL.unknown(case, case.doubt())
    return _TELL.passed(case, held)


def _recoverable(case: Case, operation: Operation) -> bool:
    """Every failure met is declared retryable, within the cap, and health came or would have."""
    words = list(case.history.header.get("words") or [])
    if not words or words[-1] != "ok":
        return False  # a storm without end
    failures = [a for a in operation.attempts if a.word != "ok" and not _slow_success(a)]
    met = len(failures) + len(operation.refusals)
    cap = case.profile.max_attempts
    planned = _planned_failures(case)
    if not met or planned is None or planned >= (2 if cap is None else cap):
        return False
    return all(_declared(case, a) for a in failures) and (
        not operation.refusals or case.profile.retries("connect"))


def _planned_failures(case: Case) -> int | None:
    """How many attempts the schedule spoils before health."""
    words = case.history.header.get("words") or []
    spoiled: int = case.history.header.get("spoiled", len(words) - 1)
    return spoiled


def _declared(case: Case, attempt: Exchange) -> bool:
    word = attempt.word.split(" ")[0]
    if attempt.status is not None and attempt.complete:
        if attempt.status < 400:
            return word in ("lane", "drip")  # a slow success is no failure
        if not case.profile.retries(attempt.status):
            return False
        asked = attempt.answer_header("retry-after")
        most = min((v for v in (case.profile.retry_after_max_s, case.profile.deadline_s)
                    if v is not None), default=0.0)
        # how long a date is, and what an invalid value means, is the client's to say (RAF)
        return not asked or (asked.isdigit() and int(asked) < most)
    if word in ("rst", "stale"):
        return case.profile.retries("reset")
    if word == "fin":
        return case.profile.retries("truncated" if attempt.answered_bytes else "reset")
    if word == "hang" or (attempt.word == "lane stall_after" and attempt.closed is None):
        return case.profile.retries("timeout")
    return attempt.closed is not None and case.profile.retries("reset")


def _slow_success(attempt: Exchange) -> bool:
    return attempt.complete and attempt.status is not None and attempt.status < 300


def _problem(operation: Operation) -> str | None:
    if operation.outcome != "ok":
        kind = (operation.error or {}).get("type", operation.outcome)
        return f"the caller got {kind}"
    if operation.end is not None and operation.end.data.get("returned") is False:
        return None  # the test did not say what its client returned
    value = next((a.value for a in reversed(operation.attempts) if a.value and a.complete), None)
    said = json.dumps(operation.value)
    if value is not None and value in said:
        return None
    healthy = any(a.complete and a.status is not None and a.status < 300
                  for a in operation.attempts)
    if operation.value is None or value is not None or not healthy:
        return f"the caller got {said[:60]} and not the provider's value"
    return None


def _too_late(case: Case, operation: Operation) -> bool:
    """Whether the declared time went elsewhere: a healthy answer came after it, or a quarter of it, or a
    timeout, was over before the first attempt. That is a machine too busy for the client's clock, and no
    policy that cannot recover; one whose pool leaks has had its first attempts at once."""
    limit_s = case.profile.deadline_s
    if operation.outcome == "ok" or not operation.attempts:
        return False
    timeout_s = case.profile.connect_timeout_s or case.profile.read_timeout_s
    if timeout_s and operation.attempts[0].start_lo_ns - operation.start.lo_ns >= timeout_s * 1e9:
        return True  # attempts may have timed out inside the client, before a byte was sent
    if limit_s is None:
        return False
    if operation.attempts[0].start_lo_ns - operation.start.lo_ns >= limit_s * 1e9 / 4:
        return True
    return (operation.elapsed_ns or 0) >= limit_s * 1e9 and any(
        a.word == "ok" and a.complete and a.status is not None and a.status < 300
        for a in operation.attempts)


def _still_waiting(case: Case, operation: Operation) -> bool:
    """Whether we stopped watching a client in a silence that it promised no end of."""
    return (operation.over_budget is not None and case.profile.read_timeout_s is None
            and bool(operation.attempts) and operation.attempts[-1].word.startswith("hang"))


def _cut_short(operation: Operation) -> bool:
    """Whether the record of the caller's value was cut, so that it says nothing."""
    return len(json.dumps(operation.value)) >= _KEPT


def _met(operation: Operation) -> str:
    words = [a.word for a in operation.attempts if a.word != "ok"]
    return ", ".join(words + ["refused"] * len(operation.refusals))


RTY003 = Invariant("RTY003", "retry-recovers", "RTY", "major", check)
