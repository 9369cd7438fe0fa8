"""IDM005 key-bound-to-payload."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.idm._common import unsafe
from galeproof.invariants.idm._payload import Payload, keyed, payload_of
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["IDM005"]

_TELL = Teller("IDM005", "key-bound-to-payload", "critical", "payloads")
_MEND = ("make a new key whenever the payload changes, and build the body once, before the first "
         "attempt")


def check(case: Case) -> Verdict:
    """IDM005 key-bound-to-payload.

    What it does: writes fail for good; their caller changes the amount and calls again. A key must
    not come back with another payload: not in the second call, and not in a retry.

    Why it is bad: the provider refuses the second call (422), or answers it with the first one's
    receipt.

    Example: a key cached by path, or derived from the reference alone; a retry whose body has a
    fresh timestamp under the same key.

    Use instead: one key for one payload; a changed call is a new operation.

    When it is unknown: no keys (undeclared, or not_exercised where they are declared); no call was
    repeated with another payload (not_exercised).

    References: draft-ietf-httpapi-idempotency-key-header, section 2.2 (MUST NOT; 422).
    """
    seen: dict[str, dict[Payload, tuple[Operation, Exchange]]] = {}
    latest: dict[str, set[Payload]] = {}
    again = keys = changed = 0
    for operation in unsafe(case):
        payloads: set[Payload] = set()
        for key, attempt in keyed(case, operation):
            payload = payload_of(case, attempt)
            seen.setdefault(key, {}).setdefault(payload, (operation, attempt))
            payloads.add(payload)
        keys += bool(payloads)
        before = latest.get(operation.ref)
        again += before is not None
        changed += bool(before and payloads and not before & payloads)
        latest[operation.ref] = payloads
    findings = [f for key, found in seen.items() if (f := _rebound(key, found))]
    if findings:
        most = max(map(len, seen.values()))
        return _TELL.failed(case, findings, observed=most, limit=1)
    if again and not keys:
        declared = case.profile.idempotency_key is not None
        return _TELL.unknown(case, "not_exercised" if declared else "undeclared",
                             "no key was sent" if declared else
                             'no key was sent; to judge: idempotency_key = "Idempotency-Key"')
    if not changed:
        return _TELL.unknown(case, case.doubt())
    return _TELL.passed(case, changed, observed=1, limit=1)


def _rebound(key: str, found: dict[Payload, tuple[Operation, Exchange]]) -> Finding | None:
    if len(found) < 2:
        return None
    owners = list(found.values())
    first = owners[0][0]
    if all(o is first for o, _ in owners):
        how = "a retry with another body"
    elif all(o.ref == first.ref for o, _ in owners):
        how = "the call with another amount"
    else:
        how = "other operations"
    return Finding(first.ref, tuple(a.evidence[0] for _, a in owners[:10]),
                   f"key {key[:40]!r} came back in {how}: {len(owners)} payloads", _MEND)


IDM005 = Invariant("IDM005", "key-bound-to-payload", "IDM", "critical", check)
