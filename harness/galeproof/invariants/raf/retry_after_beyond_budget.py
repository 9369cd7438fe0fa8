"""RAF004 retry-after-beyond-budget."""

from __future__ import annotations

from dataclasses import dataclass, field

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants._timing import fail_beyond_s, lagged_s, pass_up_to_s
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["RAF004"]

_TELL = Teller("RAF004", "retry-after-beyond-budget", "major", "s")
_SLACK_S = 0.02
_PROMPT_S = 1.0
_MOST_DIGITS = 18
_MEND = ("where Retry-After exceeds what remains of the deadline, raise at once with retry_after in "
         "the error")


@dataclass(slots=True)
class _Seen:
    """What the operations did that were asked for more time than they had."""

    findings: list[Finding] = field(default_factory=list)
    held: list[float] = field(default_factory=list)
    grey: int = 0
    short: int = 0
    waiting: int = 0
    timing: bool = True


def check(case: Case) -> Verdict:
    """RAF004 retry-after-beyond-budget.

    What it does: a 429 or 503 asks for more seconds than remain of the deadline, or than the
    client declares to wait. The client must fail promptly, and neither send again before then nor
    sleep on beyond its deadline.

    Why it is bad: a caller waits for a minute, or for ever, for an answer that it can no longer use;
    or the provider is asked again before it is ready.

    Example: ``time.sleep(int(value))``; own backoff wherever Retry-After is over a threshold.

    Use instead: ``if retry_after > remaining: raise Busy(retry_after)``.

    When it is unknown: neither deadline nor limit is declared and the client was still waiting at
    the end of the observation (undeclared; FAIL under ``strict``); nobody was asked for so much
    (not_exercised); between pass and fail zone (noise).

    References: draft-ietf-httpapi-ratelimit-headers, section 6; openai-python refuses over 120 s.
    """
    seen = _Seen()
    for operation in case.sound():
        _look(case, operation, seen)
    limit = case.profile.deadline_s or case.profile.retry_after_max_s
    if seen.findings:
        return _TELL.failed(case, seen.findings, limit=limit, timing=seen.timing,
                            observed=max(seen.held, default=None))
    if seen.waiting:
        return _TELL.unknown(case, "undeclared", f"still waiting after {case.budget_s():g} s; to "
                             "judge: deadline_s = ... or retry_after_max_s = ...",
                             observed=case.budget_s())
    if seen.grey:
        return _TELL.unknown(case, "noise", "between pass and fail zone", limit=limit)
    if seen.short:
        return _TELL.unknown(case, "budget_exhausted", "still running when the observation ended, "
                             "within what is declared", limit=limit)
    if not seen.held:
        return _TELL.unknown(case, case.doubt())
    slowest = max(seen.held)
    notes = ["undeclared"] if limit is None else []
    notes += [f"not promptly: {slowest:.1f} s after the answer"] if slowest > _PROMPT_S else []
    return _TELL.passed(case, len(seen.held), observed=round(slowest, 3), limit=limit,
                        note="; ".join(notes))


def _look(case: Case, operation: Operation, seen: _Seen) -> None:
    """Judge one operation by the first answer that asked for too much."""
    found = next(((i, wanted) for i, a in enumerate(operation.attempts)
                  if (wanted := _too_much_s(case, operation, a)) is not None), None)
    if found is None:
        return
    index, wanted = found
    attempt = operation.attempts[index]
    assert attempt.end_lo_ns is not None
    if index + 1 < len(operation.attempts):
        after = operation.attempts[index + 1]
        gap = (after.start_hi_ns - attempt.end_lo_ns) / 1e9
        if gap < wanted - _SLACK_S:
            seen.timing = False
            seen.findings.append(Finding(
                operation.ref, (*attempt.evidence, after.evidence[0]),
                f"{attempt.status} said Retry-After: {wanted:.15g}, beyond what remained, and attempt "
                f"{index + 2} came after {gap:.3f} s", _MEND))
            return
    _ended(case, operation, attempt, seen)


def _ended(case: Case, operation: Operation, attempt: Exchange, seen: _Seen) -> None:
    """Hold the operation's end against the deadline; without one, its wait against the limit."""
    deadline = case.profile.deadline_s
    limit = deadline or case.profile.retry_after_max_s
    asked_ns = attempt.end_lo_ns or 0
    begun_ns = case.begun_ns(operation) if deadline is not None else asked_ns
    ended = operation.end is not None and operation.over_budget is None and (
        operation.outcome != "killed")
    until_ns = case.seen_until_ns(operation)
    elapsed = (until_ns - begun_ns) / 1e9
    if limit is None:
        if ended:
            seen.held.append((until_ns - asked_ns) / 1e9)
            return
        seen.waiting += 1
        if not case.profile.strict:
            return
    elif elapsed <= fail_beyond_s(limit):
        if not ended:
            seen.short += 1
        elif elapsed <= pass_up_to_s(limit):
            seen.held.append((until_ns - asked_ns) / 1e9)
        else:
            seen.grey += 1
        return
    elif ended and elapsed <= fail_beyond_s(limit) + lagged_s(case, begun_ns, until_ns):
        seen.grey += 1
        return
    seen.timing &= ended
    declared = f"declared {limit:g} s" if limit is not None else "nothing declared, strict"
    seen.findings.append(Finding(
        operation.ref, (operation.start.index, *attempt.evidence),
        f"Retry-After: {attempt.answer_header('retry-after')} was slept through: "
        f"{'over' if ended else 'still running'} after {elapsed:.1f} s, {declared}", _MEND))


def _too_much_s(case: Case, operation: Operation, attempt: Exchange) -> float | None:
    """The seconds asked for where they exceed the remaining budget or the declared limit."""
    value = attempt.answer_header("retry-after") or ""
    if attempt.status not in (429, 503) or attempt.end_lo_ns is None or not attempt.complete or not (
            value.isascii() and value.isdigit()):
        return None
    wanted = float(value[:_MOST_DIGITS])
    spent = (attempt.end_lo_ns - case.begun_ns(operation)) / 1e9
    deadline, limit = case.profile.deadline_s, case.profile.retry_after_max_s
    allowed = [deadline - spent] if deadline is not None else []
    allowed += [limit] if limit is not None else []
    return wanted if wanted > min(allowed, default=case.budget_s()) else None


RAF004 = Invariant("RAF004", "retry-after-beyond-budget", "RAF", "major", check)
