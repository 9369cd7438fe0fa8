"""TMO002 response-timeout."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants._timing import fail_beyond_s, lagged_s, pass_up_to_s
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["TMO002"]

_TELL = Teller("TMO002", "response-timeout", "critical", "s")
_MEND = ("give every call a read timeout (requests: timeout=; httpx: Timeout(read=); "
         "urllib3: Timeout(read=)), in seconds")


def check(case: Case) -> Verdict:
    """TMO002 response-timeout.

    What it does: a request is read whole and never answered. The client must give up waiting for
    the first byte within its declared read timeout.

    Why it is bad: one silent provider takes every thread of the caller, for ever.

    Example: ``requests.get(url)`` without ``timeout``.

    Use instead: ``requests.get(url, timeout=(1, 1))``.

    When it is unknown: no attempt met the silence (not_exercised); nothing is declared and the
    client was still waiting at the end of the observation (undeclared; FAIL under ``strict``);
    the machine was too late (noise).

    References: AWS Builders' Library, "Timeouts, retries and backoff with jitter".
    """
    limit = case.profile.read_timeout_s or case.profile.deadline_s
    findings: list[Finding] = []
    held: list[float] = []
    holding: set[str] = set()
    grey = waiting = short = 0
    for operation in case.sound():
        for index, attempt in enumerate(operation.attempts):
            if not attempt.word.startswith("hang after") or attempt.word.endswith("accept"):
                continue
            if not attempt.whole or attempt.answered_bytes:
                continue
            waited = _waited_s(case, operation, index, attempt)
            if waited is None:
                so_far = (case.seen_until_ns(operation) - _from_ns(attempt)) / 1e9
                if limit is not None and so_far <= fail_beyond_s(limit):
                    short += 1
                    continue
                waiting += 1
                if limit is not None or case.profile.strict:
                    findings.append(_still(operation, attempt, limit, so_far))
            elif limit is None or waited <= pass_up_to_s(limit):
                held.append(waited)
                holding.add(operation.ref)
            elif waited > fail_beyond_s(limit) + lagged_s(
                    case.history, attempt.start_lo_ns, _from_ns(attempt) + int(waited * 1e9)):
                findings.append(Finding(
                    operation.ref, tuple(attempt.evidence),
                    f"waited {waited:.2f} s for a first byte that never came, declared "
                    f"{limit:g} s", _MEND))
            else:
                grey += 1
    worst = max(held, default=None)
    if findings:
        return _TELL.failed(case, findings, limit=limit, timing=not waiting)
    if waiting:
        return _TELL.unknown(case, "undeclared", f"still waiting after {case.budget_s():g} s; to "
                             "judge: read_timeout_s = ...", observed=case.budget_s())
    if short and not held:
        return _TELL.unknown(case, "budget_exhausted", f"observed {case.budget_s():g} s, too short "
                             "for what is declared", limit=limit)
    if grey:
        return _TELL.unknown(case, "noise", "between pass and fail zone", limit=limit)
    if not held:
        return _TELL.unknown(case, case.doubt())
    note = "" if limit is not None else f"undeclared; gave up after {worst:.2f} s"
    return _TELL.passed(case, len(holding), observed=worst, limit=limit, note=note)


def _from_ns(attempt: Exchange) -> int:
    """The wait begins when the whole request has arrived: an upload is no wait."""
    return max(attempt.start_hi_ns, attempt.whole_ns or 0)


def _waited_s(case: Case, operation: Operation, index: int, attempt: Exchange) -> float | None:
    """How long the client waited on this attempt; None where it never gave up by itself."""
    ends = [attempt.client_left_ns] if attempt.client_left_ns is not None else []
    if index + 1 < len(operation.attempts):
        ends.append(operation.attempts[index + 1].start_lo_ns)
    if operation.end is not None and operation.outcome != "killed":
        ends.append(operation.end.lo_ns)
    cut = operation.over_budget.lo_ns if operation.over_budget else None
    ends = [end for end in ends if cut is None or end < cut]
    return (min(ends) - _from_ns(attempt)) / 1e9 if ends else None


def _still(operation: Operation, attempt: Exchange, limit: float | None,
           waited_s: float) -> Finding:
    declared = f"declared {limit:g} s" if limit is not None else "nothing declared, strict"
    return Finding(operation.ref, tuple(attempt.evidence),
                   f"still waiting for a first byte after {waited_s:.1f} s, {declared}", _MEND)


TMO002 = Invariant("TMO002", "response-timeout", "TMO", "critical", check)
