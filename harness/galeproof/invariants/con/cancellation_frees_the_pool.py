"""CON002 cancellation-frees-the-pool."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants._timing import fail_beyond_s, lagged_s, pass_up_to_s
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Operation

__all__ = ["CON002"]

_TELL = Teller("CON002", "cancellation-frees-the-pool", "critical", "operations")
_TIMES = 2  # the pool's size: so many were given up
_TEXT = re.compile(r'"([^"\\]{6,})"')
_CLOSED_S = 1.0
_MEND = ("give the slot back in a finally block, close the connection of an answer that was not read "
         "to its end, and never put it back into the pool")


def check(case: Case) -> Verdict:
    """CON002 cancellation-frees-the-pool.

    What it does: the provider hangs, and twice as many calls as the pool holds are cancelled or time
    out, half of them while they wait for a connection. Then it is well: as many calls as the pool
    holds must succeed, in time, each with its own value; and the connections of those that were given
    up must be closed.

    Why it is bad: after one bad minute the client answers nothing until it is started anew; or it
    gives one customer's answer to another.

    Example: a semaphore that is released only after an answer; a connection that goes back to the pool
    in mid-answer.

    Use instead: ``async with`` around slot and connection; a library whose pool survives cancellation.

    When it is unknown: nobody gave up on a hang, or fewer than twice the pool's size did; the pool's
    size is how many requests were in flight at once while more calls waited, so a client without
    such a limit shows nothing (not_exercised). A declared breaker may refuse what comes after
    timeouts. Too slow but not lost (noise).

    References: httpcore 1.0.2 and anyio's cancel scopes; RFC 9112, section 9.
    """
    given_up = [o for o in case.sound() if _given_up(o)]
    if not given_up:
        return _TELL.unknown(case, case.doubt())
    over_ns = max(o.end.lo_ns for o in given_up if o.end)
    after = [o for o in case.sound() if o.start.lo_ns >= over_ns]
    size = _most(given_up)
    later = after[:size]
    findings = [*_unusable(case, later), *_swapped(after)]
    open_ = _left_open(case, given_up)
    if findings or open_:
        return _TELL.failed(case, [*findings, *open_], observed=len(findings) + len(open_), limit=0,
                            timing=not findings)
    # who waited for a place in vain never sent anything, and waited all the same
    waiting = len(given_up) + sum(o.outcome == "failed" and not o.requests and o.start.lo_ns < over_ns
                                  and not _refused(case, o) for o in case.sound())
    if not size or waiting < _TIMES * size or len(later) < size:
        limit = f"{size} in flight at most" if size < waiting else f"no limit up to {waiting} was seen"
        return _TELL.unknown(case, "not_exercised", f"{waiting} given up, {limit}, {len(later)} calls after")
    if any(_refused(case, o) for o in later):
        return _TELL.unknown(case, "not_exercised", "a declared breaker or budget refused the calls after")
    slow = _slow(case, later)
    if slow:
        return _TELL.unknown(case, "noise", slow)
    return _TELL.passed(case, len(later), observed=0, limit=0,
                        note=f"{waiting} given up, {size} in flight at most")


def _given_up(operation: Operation) -> bool:
    """Whether it was cancelled, or ended in an error, over an answer that never came."""
    if operation.end is None or operation.over_budget is not None:
        return False
    if operation.outcome != "cancelled" and not (operation.outcome == "failed" and operation.requests):
        return False
    hung = [a for a in operation.requests if a.word.startswith("hang")]
    return bool(hung) if operation.requests else operation.cancel is not None


def _most(operations: Sequence[Operation]) -> int:
    """How many of their requests were in flight at once."""
    steps = []
    for operation in operations:
        end_ns = operation.end.lo_ns if operation.end else 0
        for attempt in operation.requests:
            steps.append((attempt.start_lo_ns, 1))
            steps.append((max(attempt.start_lo_ns, min(end_ns, attempt.client_left_ns or end_ns)), -1))
    most = now = 0
    for _, step in sorted(steps):
        now += step
        most = max(most, now)
    return most


def _refused(case: Case, operation: Operation) -> bool:
    """Whether what is declared may have refused a call that never reached the wire."""
    profile = case.profile
    return (operation.outcome == "failed" and not operation.requests
            and (profile.breaker is not None or profile.throttle is not None or profile.retry_budget))


def _unusable(case: Case, later: Sequence[Operation]) -> list[Finding]:
    """Calls that failed although the provider was well again."""
    findings = []
    for operation in later:
        if operation.outcome in ("ok", "cancelled") or _refused(case, operation):
            continue
        if any(a.word != "ok" or a.lane != "clean" for a in operation.requests):
            continue
        kind = (operation.error or {}).get("type", "no outcome")
        findings.append(Finding(operation.ref, _events(operation),
                                f"the provider was well again, and the caller got {kind}; "
                                f"{len(operation.requests)} requests came", _MEND))
    return findings


def _swapped(after: Sequence[Operation]) -> list[Finding]:
    """Calls that got what was another's answer."""
    owners = {a.value: o.ref for o in after for a in o.requests if a.value and len(a.value) >= 6}
    findings = []
    for operation in after:
        if operation.outcome != "ok":
            continue
        said = json.dumps(operation.value)
        own = {a.value for a in operation.requests if a.value}
        if not own or any(value in said for value in own):
            continue
        others = [owners[t] for t in _TEXT.findall(said) if t in owners]
        other = next((ref for ref in others if ref != operation.ref), None)
        if other is not None:
            findings.append(Finding(operation.ref, _events(operation),
                                    f"the caller got the answer of {other}", _MEND))
    return findings


def _left_open(case: Case, given_up: Sequence[Operation]) -> list[Finding]:
    """Connections that nobody closed after their call was given up, as far as anyone watched."""
    last_ns = case.history.events[-1].lo_ns
    findings = []
    for operation in given_up:
        end_ns = operation.end.lo_ns if operation.end else last_ns
        if (last_ns - end_ns) / 1e9 <= fail_beyond_s(_CLOSED_S) + lagged_s(case, end_ns, last_ns):
            continue
        for attempt in operation.requests:
            if attempt.complete or attempt.closed or attempt.client_left_ns is not None:
                continue
            findings.append(Finding(operation.ref, _events(operation), "its connection is open "
                                    f"{(last_ns - end_ns) / 1e9:.1f} s after the call was given up", _MEND))
    return findings


def _slow(case: Case, later: Sequence[Operation]) -> str:
    """Say how much longer than a declared timeout the slowest call took, or nothing."""
    limit_s = case.profile.read_timeout_s
    if limit_s is None:
        return ""
    worst_s = max((o.elapsed_ns or 0) / 1e9 for o in later)
    return f"{worst_s:.1f} s for a healthy call" if worst_s > max(
        pass_up_to_s(limit_s), fail_beyond_s(limit_s)) else ""


def _events(operation: Operation) -> tuple[int, ...]:
    events = [i for a in operation.requests[:3] for i in a.evidence]
    return (operation.start.index, *events, *((operation.end.index,) if operation.end else ()))


CON002 = Invariant("CON002", "cancellation-frees-the-pool", "CON", "critical", check)
