"""IDM001 no-unkeyed-ambiguous-retry."""

from __future__ import annotations

import itertools

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.idm._common import ambiguous, unsafe
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["IDM001"]

_TELL = Teller("IDM001", "no-unkeyed-ambiguous-retry", "critical", "operations")
_MEND = ("send an idempotency key with every attempt, the first included, or do not send a POST "
         "again whose outcome is unknown (urllib3: leave POST out of allowed_methods)")


def check(case: Case) -> Verdict:
    """IDM001 no-unkeyed-ambiguous-retry.

    What it does: a POST or PATCH arrives whole and its answer is lost (reset, silence, cut, 500,
    502, 504). It must not be sent again unless both attempts carry an idempotency key.

    Why it is bad: the provider may have applied the first one; the customer is charged twice.

    Example: retry on any ConnectionError; urllib3 ``allowed_methods=None``.

    Use instead: one key an operation, or an error that says "unknown".

    When it is unknown: no such loss came up (not_exercised); the operation is declared
    naturally idempotent.

    References: RFC 9110, 9.2.2. Stricter than the RFC by decision.
    """
    findings, retried, stopped = [], 0, 0
    for operation in unsafe(case):
        lost = False
        requests = operation.requests
        for first, second in itertools.pairwise(requests):
            if not ambiguous(first) or second.method != first.method:
                continue
            lost = True
            if not (case.key_of(first) and case.key_of(second)):
                findings.append(_finding(case, operation, first, second))
                break
        else:
            last = requests[-1]
            if lost:
                retried += 1
            elif ambiguous(last) and last.word != "ok":
                stopped += 1
    if findings:
        return _TELL.failed(case, findings, observed=len(findings), limit=0)
    if not retried and not stopped:
        return _TELL.unknown(case, case.doubt())
    note = "" if retried else "never sent again after a lost answer"
    return _TELL.passed(case, retried + stopped, note=note)


def _finding(case: Case, operation: Operation, first: Exchange, second: Exchange) -> Finding:
    missing = [name for name, a in (("none before", first), ("none after", second)) if not case.key_of(a)]
    how = f"answered {first.status}" if first.complete else f"lost its answer ({first.word})"
    effects = sum(len(set(a.effects)) for a in operation.attempts)
    return Finding(
        operation.ref, (*first.evidence, second.evidence[0]),
        f"{first.method} {first.target} was read whole and {how}, then sent again without a key "
        f"({', '.join(missing)}); {effects} effects at the provider", _MEND)


IDM001 = Invariant("IDM001", "no-unkeyed-ambiguous-retry", "IDM", "critical", check)
