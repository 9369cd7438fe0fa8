"""IDM009 declared-key-on-the-wire."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.idm._common import unsafe
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["IDM009"]

_TELL = Teller("IDM009", "declared-key-on-the-wire", "critical", "requests with the key")
_MEND = ("set the key last, on the request itself, and hand a caller's key through as it is: no cut, no "
         "hash, no key of your own in its place")


def check(case: Case) -> Verdict:
    """IDM009 declared-key-on-the-wire.

    What it does: every POST and PATCH must carry the declared idempotency key, also where nothing is
    retried; and a key that the caller gave must arrive as it was given. The same call is made twice with
    one key, in calm air.

    Why it is bad: the caller believes that a second call with its key is safe. If the key was lost on
    the way, two calls make two payments.

    Example: a header put into a dict that a later line replaces; a key that is cut to 32 characters; a
    key of the caller's that is ignored for one of the library's own.

    Use instead: one place where a request's headers are made, the key in it, and a test on the wire.

    When it is unknown: no key is declared (undeclared); no POST or PATCH was sent (not_exercised).

    References: draft-ietf-httpapi-idempotency-key-header, sections 2.1 and 2.2.
    """
    sent = [(o, a) for o in unsafe(case) for a in o.requests
            if a.method in ("POST", "PATCH") and a.whole]
    if case.profile.idempotency_key is None:
        return _TELL.unknown(case, "undeclared" if sent else case.doubt(), "to judge: idempotency_key = "
                             '"Idempotency-Key"' if sent else "")
    if not sent:
        return _TELL.unknown(case, case.doubt())
    findings = [found for operation, attempt in sent
                if (found := _missing(case, operation, attempt)) is not None]
    held = len(sent) - len(findings)
    if findings:
        return _TELL.failed(case, findings, observed=held, limit=len(sent))
    given = sum("key" in o.start.data for o, _ in sent)
    note = f"{given} of them as the caller gave it" if given else "no caller gave a key of its own"
    return _TELL.passed(case, held, observed=held, limit=len(sent), note=note)


def _missing(case: Case, operation: Operation, attempt: Exchange) -> Finding | None:
    """A request whose key is not there, or not the caller's; quotes of a structured field are none."""
    key, given = case.key_of(attempt), operation.start.data.get("key")
    if key is None:
        text = f"{attempt.method} {attempt.target[:60]} without {case.profile.idempotency_key}"
    elif given is not None and key != given:
        text = f"the caller's key {str(given)[:48]!r} arrived as {key[:48]!r}"
    else:
        return None
    return Finding(operation.ref, (operation.start.index, attempt.evidence[0]), text, _MEND)


IDM009 = Invariant("IDM009", "declared-key-on-the-wire", "IDM", "critical", check)
