"""SEC002 exceptions."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.sec._seen import LEAK, blind, sightings
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Operation

__all__ = ["SEC002"]

_TELL = Teller("SEC002", "exceptions", "critical", "sightings")
_CHANNEL = "exception"
_SHOWN = ("text", "message", "type", "dump", "pickle")
_MEND = ("raise an error of your own, outside the except block (raise ... from None keeps the "
         "context), with the route in place of the URL and no headers")


def check(case: Case) -> Verdict:
    """SEC002 exceptions.

    What it does: looks for the run's canary secrets in all that a failed operation's exception
    shows: str, repr, args and notes of it and of its causes and contexts, the formatted traceback,
    and its pickle. In the local variables of libraries' frames a secret should not stand either
    (minor).

    Why it is bad: exceptions end in logs, in trackers that keep local variables, and in tickets.

    Example: ``raise ApiError(response.request.headers)``; a secret in the query, which requests,
    urllib3 and httpx quote in their messages.

    Use instead: ``raise ApiError(status, route)``; credentials in a header, added at the last moment.

    When it is unknown: no operation failed (not_exercised); the canary never went over the wire, a
    planted probe was not found, or the subject's process shows nothing of its errors
    (capture_missing).

    References: OWASP Logging Cheat Sheet; aiohttp's ClientResponseError, whose repr has the headers.
    """
    failed = [o for o in case.operations if o.outcome == "failed" and o.error]
    findings: list[Finding] = []
    locals_only: list[Finding] = []
    notes: set[str] = set()
    for operation in failed:
        error = operation.error or {}
        told: set[str] = set()  # one finding a secret and operation, the plainest
        for part in (*_SHOWN, "locals"):
            for name, seen in sightings(case, str(error.get(part) or "").replace(
                    operation.ref, "ref")):
                if seen.size < LEAK and not seen.whole:
                    notes.add(f"{seen.size} characters of {name} were shown")
                elif name not in told:
                    told.add(name)
                    where = locals_only if part == "locals" else findings
                    where.append(_finding(operation, name, seen.form, part))
    if findings or locals_only:
        return _TELL.failed(case, findings or locals_only, limit=0,
                            observed=len(findings or locals_only),
                            severity="critical" if findings else "minor")
    why = blind(case, (_CHANNEL,)) if failed else (case.doubt(), "")
    shown = [o for o in failed if (o.error or {}).get("dump")]
    if why is None and not shown:
        why = ("capture_missing", "the subject shows nothing of its errors")
    if why is not None:
        return _TELL.unknown(case, *why)
    return _TELL.passed(case, len(shown), observed=0, limit=0, note="; ".join(sorted(notes)))


def _finding(operation: Operation, name: str, form: str, part: str) -> Finding:
    kind = (operation.error or {}).get("type", "the error")
    where = {"text": "message", "dump": "exception or traceback"}.get(part, part)
    where = "local variables of a library's frame" if part == "locals" else where
    assert operation.end is not None
    return Finding(operation.ref, (operation.end.index,), f"{name} ({form}) in the {where} of {kind}",
                   _MEND)


SEC002 = Invariant("SEC002", "exceptions", "SEC", "critical", check)
