"""BUD001 retry-budget."""

from __future__ import annotations

from typing import Any

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller, transient
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Operation

__all__ = ["BUD001"]

_TELL = Teller("BUD001", "retry-budget", "major", "attempts an operation")
_HELD, _BROKEN = 1.30, 1.50
_FAR = 1.8  # what no floor of a budget explains at half of the rate
_ENOUGH, _RATE, _SLOW = 200, 100.0, 50.0
_MEND = ("one budget for all operations of the client: a token an operation, ten a retry (gRFC A6, Finagle's "
         "RetryBudget, botocore's standard mode), and no retry where it is empty")


def check(case: Case) -> Verdict:
    """BUD001 retry-budget.

    What it does: twenty healthy operations, then three hundred of which every attempt is answered 503, at
    a hundred a second and more. In the last third the client must send at most 1.3 attempts an operation.

    Why it is bad: three attempts an operation are three times the load, at the moment in which the
    provider cannot bear it once; through three layers it is twenty-seven times.

    Example: a cap of retries for each operation, and nothing over all of them; a budget object that is
    made for each request; a budget of a retry for each operation.

    Use instead: retries in proportion to operations, ten or twenty of a hundred. A breaker or a throttle
    that sheds load serves as well.

    When it is unknown: no budget was promised and none was seen (undeclared, with the figure; it fails
    where the profile is strict); nothing is retried, or fewer than 200 operations failed in a row
    (not_exercised); under a hundred operations a second, where a budget's floor shows, or between the
    zones (noise).

    References: gRFC A6, retry throttling; botocore, retry quota; Finagle, RetryBudget; Google SRE book,
    chapter 21 (a tenth).
    """
    failing = _failing(case)
    if len(failing) < _ENOUGH or not any(len(o.requests) > 1 for o in failing):
        return _TELL.unknown(case, case.doubt())
    late = failing[-(len(failing) // 3):]
    sent = sum(len(o.requests) for o in late)
    ratio = round(sent / len(late), 2)
    figures: dict[str, Any] = {"observed": ratio, "limit": _HELD, "witnesses": len(late)}
    if ratio <= _HELD:
        return _TELL.passed(case, **figures)
    rate = len(failing) / max(1e-9, (failing[-1].start.lo_ns - failing[0].start.lo_ns) / 1e9)
    if ratio < (_BROKEN if rate >= _RATE else _FAR) or rate < _SLOW:
        return _TELL.unknown(case, "noise", f"at {rate:.0f} operations a second, {_RATE:.0f} are needed"
                             if rate < _RATE else "between pass and fail", **figures)
    promised = (case.profile.retry_budget or case.profile.breaker is not None
                or case.profile.throttle is not None)
    if not promised and not case.profile.strict:
        return _TELL.unknown(case, "undeclared", "no budget was seen; to judge: retry_budget = true",
                             **figures)
    text = (f"{sent} attempts of {len(late)} operations, after {len(failing) - len(late)} had failed before "
            "them")
    evidence = tuple(a.evidence[0] for o in late[:5] for a in o.requests)
    return _TELL.failed(case, [Finding(late[0].ref, evidence, text, _MEND)], **figures)


def _failing(case: Case) -> list[Operation]:
    """The run's last operations in a row of which no attempt was answered well, in the order of their
    starts; those that were not sent are among them."""
    operations = sorted(case.sound(), key=lambda o: o.start.lo_ns)
    first = len(operations)
    while first and operations[first - 1].outcome != "ok" and all(
            map(transient, operations[first - 1].requests)):
        first -= 1
    return operations[first:]


BUD001 = Invariant("BUD001", "retry-budget", "BUD", "major", check)
