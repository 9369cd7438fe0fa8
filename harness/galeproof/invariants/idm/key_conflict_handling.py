"""IDM008 key-conflict-handling."""

from __future__ import annotations

import itertools

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.idm._common import unsafe
from galeproof.invariants.idm._payload import payload_of
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["IDM008"]

_TELL = Teller("IDM008", "key-conflict-handling", "minor", "operations")
_AT_ONCE_S = 0.005
_MEND = ("409: wait, and ask again with the same key, or tell the caller that the outcome is unknown; 422: "
         "give up")


def check(case: Case) -> Verdict:
    """IDM008 key-conflict-handling.

    What it does: a payment was made and its answer lost; the retry meets 409, for the first request is
    still at work. It must be waited for, with the same key, or left to the caller. And a 422, which says
    that the key was used for another payload, must not be sent again as it is.

    Why it is bad: a fresh key on 409 is a second payment while the first is under way; a loop on 422 can
    never succeed.

    Example: ``if status == 409: key = uuid4()``; 422 in the list of statuses that are retried.

    Use instead: backoff and the same key on 409; an error on 422.

    When it is unknown: no keyed request met 409 or 422 (not_exercised); no keys are sent (undeclared).
    Waits are judged together: it takes half of them below 5 ms, in three runs of three.

    References: draft-ietf-httpapi-idempotency-key-header, section 2.7.
    """
    findings, held, keyless = [], 0, 0
    soon: list[Finding] = []
    waits = 0
    for operation in unsafe(case):
        met = [a for a in operation.requests if a.status in (409, 422) and a.complete]
        if not met:
            continue
        if not any(case.key_of(a) for a in operation.requests):
            keyless += 1
            continue
        wrong = _wrong(case, operation)
        findings += [wrong] if wrong else []
        held += not wrong
        after = _conflicts(operation)
        waits += len(after)
        soon += [_soon(operation, *pair) for pair in after if _gap_s(*pair) < _AT_ONCE_S]
    hot = 2 * len(soon) >= waits  # full jitter draws a wait below 5 ms now and then
    if findings or (soon and hot):
        found = [*findings, *(soon if hot else ())]
        return _TELL.failed(case, found, observed=len({f.operation for f in found}), limit=0,
                            timing=not findings)
    if held:
        return _TELL.passed(case, held, observed=0, limit=0)
    if keyless:
        return _TELL.unknown(case, "undeclared", "no key was sent; to judge: idempotency_key = "
                             '"Idempotency-Key"')
    return _TELL.unknown(case, case.doubt())


def _wrong(case: Case, operation: Operation) -> Finding | None:
    """The first request after a conflict that ought not to have been sent so."""
    for before, after in itertools.pairwise(operation.requests):
        if not before.complete or before.method != after.method:
            continue
        text = None
        if before.status == 422:
            text = _after_refusal(case, before, after)
        elif before.status == 409 and case.key_of(before) != case.key_of(after):
            text = (f"409, and the next request had another key: {case.key_of(before)}, then "
                    f"{case.key_of(after)}")
        if text:
            return Finding(operation.ref, (before.evidence[0], after.evidence[0]), text, _MEND)
    return None


def _after_refusal(case: Case, before: Exchange, after: Exchange) -> str | None:
    same = case.key_of(before) == case.key_of(after) and payload_of(case, before) == payload_of(case, after)
    return "422, and the same request with the same key was sent again" if same else None


def _conflicts(operation: Operation) -> list[tuple[Exchange, Exchange]]:
    """Each 409 with the request after it."""
    return [(a, b) for a, b in itertools.pairwise(operation.requests)
            if a.complete and a.status == 409 and a.method == b.method]


def _gap_s(before: Exchange, after: Exchange) -> float:
    """The longest wait that the stamps allow."""
    return (after.start_hi_ns - (before.end_lo_ns or 0)) / 1e9


def _soon(operation: Operation, before: Exchange, after: Exchange) -> Finding:
    return Finding(operation.ref, (before.evidence[0], after.evidence[0]),
                   f"409, and the next request came after {1000 * _gap_s(before, after):.1f} ms", _MEND)


IDM008 = Invariant("IDM008", "key-conflict-handling", "IDM", "minor", check)
