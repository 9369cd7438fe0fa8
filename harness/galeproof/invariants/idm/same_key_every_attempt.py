"""IDM002 same-key-every-attempt."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.idm._common import unsafe
from galeproof.model import Finding, Verdict

__all__ = ["IDM002"]

_TELL = Teller("IDM002", "same-key-every-attempt", "critical", "keys")
_MEND = "make the key once, before the first attempt, outside the retry loop"


def check(case: Case) -> Verdict:
    """IDM002 same-key-every-attempt.

    What it does: all attempts of one operation, the first included, must carry one key.

    Why it is bad: with a fresh key the provider sees a new payment.

    Example: ``uuid4()`` inside the retry loop; a key that comes only with the second attempt.

    Use instead: one key an operation, made by the caller of the loop.

    When it is unknown: no operation was retried (not_exercised); no key is declared and none
    was seen (undeclared).

    References: draft-ietf-httpapi-idempotency-key-header, section 2.
    """
    findings, held, most = [], 0, 0
    keyless = False
    for operation in unsafe(case):
        sent = [a for a in operation.requests if a.method in ("POST", "PATCH")
                and (a.whole or case.profile.idempotency_key is None
                     or not case.profile.idempotency_key.startswith("body:"))]
        if len(sent) < 2:
            continue
        keys = [case.key_of(a) for a in sent]
        if not any(keys) and case.profile.idempotency_key is None:  # who follows a redirect retries nothing
            keyless |= any(a.status is None or not 300 <= a.status < 400 for a in sent[:-1])
            continue
        distinct = len({k for k in keys if k})
        most = max(most, distinct)
        if distinct == 1 and all(keys):
            held += 1
            continue
        missing = [n for n, k in enumerate(keys, 1) if not k]
        text = (f"no key on attempt {', '.join(map(str, missing))} of {len(keys)}" if missing
                else f"{distinct} keys over {len(keys)} attempts: {keys[0]}, {keys[1]} ...")
        findings.append(Finding(operation.ref, tuple(a.evidence[0] for a in sent), text, _MEND))
    if findings:
        return _TELL.failed(case, findings, observed=most, limit=1)
    if held:
        return _TELL.passed(case, held, observed=1, limit=1)
    if keyless:
        return _TELL.unknown(case, "undeclared", "retried without any key; to judge: "
                             'idempotency_key = "Idempotency-Key"')
    return _TELL.unknown(case, case.doubt())


IDM002 = Invariant("IDM002", "same-key-every-attempt", "IDM", "critical", check)
