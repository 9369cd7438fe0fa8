"""IDM004 unkeyed-retry-on-status."""

from __future__ import annotations

import itertools

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.idm._common import unsafe
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["IDM004"]

_TELL = Teller("IDM004", "unkeyed-retry-on-status", "major", "attempts")
_MEND = ("send an idempotency key, or leave POST out of what is retried on a status (urllib3: "
         "allowed_methods); where the API promises that it applied nothing: never_applied = [503]")


def check(case: Case) -> Verdict:
    """IDM004 unkeyed-retry-on-status.

    What it does: a POST or PATCH without an idempotency key is answered 503. It should not be sent
    again; after 429 it may be.

    Why it is bad: a 503 of a proxy does not prove that the provider behind it applied nothing.

    Example: ``status_forcelist=[503]`` with POST allowed.

    Use instead: one key an operation; without one, an error to the caller.

    When it is unknown: no write met a 503, or the API's contract says that such an answer was never
    applied (``never_applied``) (not_exercised).

    References: RFC 9110, 9.2.2; in our runs a 503 after the effect doubled it.
    """
    findings, most, held, keyed, exempt = [], 0, 0, 0, False
    for operation in unsafe(case):
        busy = [a for a in operation.requests if a.complete and a.status == 503]
        if not busy:
            continue
        if 503 in case.profile.never_applied:
            exempt = True
            continue
        pair = _sent_again(case, operation)
        if pair:
            most = max(most, len(operation.requests))
            findings.append(_finding(operation, *pair))
            continue
        held += 1
        keyed += all(case.key_of(a) for a in busy)
    if findings:
        return _TELL.failed(case, findings, observed=most, limit=1)
    if not held:
        return _TELL.unknown(case, case.doubt(), "503 is declared never to be applied" if exempt
                             else "")
    note = f"{keyed} of {held} had a key" if keyed else "never sent again after a 503"
    return _TELL.passed(case, held, limit=1, note=note)


def _sent_again(case: Case, operation: Operation) -> tuple[Exchange, Exchange] | None:
    """The first request that a 503 answered and that was sent again without a key in both."""
    for first, second in itertools.pairwise(operation.requests):
        if (first.complete and first.status == 503 and first.method in ("POST", "PATCH")
                and second.method == first.method
                and not (case.key_of(first) and case.key_of(second))):
            return first, second
    return None


def _finding(operation: Operation, first: Exchange, second: Exchange) -> Finding:
    effects = len({e for a in operation.attempts for e in a.effects})
    return Finding(operation.ref, (*first.evidence, second.evidence[0]),
                   f"{first.method} {first.target} was answered 503 and sent again without a key: "
                   f"{len(operation.requests)} attempts, {effects} effects at the provider", _MEND)


IDM004 = Invariant("IDM004", "unkeyed-retry-on-status", "IDM", "major", check)
