"""RAF001 retry-after-seconds."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["RAF001"]

_TELL = Teller("RAF001", "retry-after-seconds", "major", "s")
_SLACK_S = 0.02
_MEND = "wait at least Retry-After seconds before the next attempt, or give up"


def check(case: Case) -> Verdict:
    """RAF001 retry-after-seconds.

    What it does: after 429 or 503 with ``Retry-After: v`` the client must not send that
    operation again before v seconds. Later is fine, and so is giving up.

    Why it is bad: a provider that says when it will be ready again is hammered before.

    Example: the header is ignored, or cut: ``min(v, 1)``.

    Use instead: ``delay = max(backoff, retry_after)``, or fail with ``retry_after`` in the error.

    When it is unknown: the client never retries such an answer, or none came whole: of one that is
    cut in its body most libraries show no header (not_exercised).

    References: RFC 9110, 10.2.3.
    """
    findings: list[Finding] = []
    gaps: list[tuple[float, float]] = []
    gave_up = 0
    for operation in case.sound():
        for index, attempt in enumerate(operation.attempts):
            wanted = _wanted_s(attempt)
            if wanted is None or attempt.end_lo_ns is None or not attempt.complete:
                continue
            if index + 1 == len(operation.attempts):
                gave_up += 1
                continue
            # the largest gap that the stamps allow: no early stamp makes a false alarm
            gap = (operation.attempts[index + 1].start_hi_ns - attempt.end_lo_ns) / 1e9
            gaps.append((gap, wanted))
            if gap < wanted - _SLACK_S:
                findings.append(_finding(operation, index, gap, wanted, attempt))
    if findings:
        worst = min(gaps, key=lambda pair: pair[0] - pair[1])
        return _TELL.failed(case, findings, observed=round(worst[0], 3), limit=worst[1])
    if not gaps:
        if gave_up and _retries_such(case):
            return _TELL.passed(case, gave_up, note="gave up instead of waiting")
        return _TELL.unknown(case, case.doubt())
    worst = min(gaps, key=lambda pair: pair[0] - pair[1])
    return _TELL.passed(case, len(gaps) + gave_up, observed=round(worst[0], 3), limit=worst[1])


def _wanted_s(attempt: Exchange) -> float | None:
    if attempt.status not in (429, 503):
        return None
    value = attempt.answer_header("retry-after") or ""
    return float(value) if value.isascii() and value.isdigit() else None


def _retries_such(case: Case) -> bool:
    return case.profile.retries(429) or case.profile.retries(503)


def _finding(operation: Operation, index: int, gap: float, wanted: float,
             attempt: Exchange) -> Finding:
    after = operation.attempts[index + 1]
    return Finding(operation.ref, (*attempt.evidence, after.evidence[0]),
                   f"{attempt.status} said Retry-After: {wanted:.15g}, attempt {index + 2} came "
                   f"after {gap:.3f} s", _MEND)


RAF001 = Invariant("RAF001", "retry-after-seconds", "RAF", "major", check)
