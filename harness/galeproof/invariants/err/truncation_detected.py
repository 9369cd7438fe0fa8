"""ERR003 truncation-detected."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.err._answers import ended, given
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange

__all__ = ["ERR003"]

_TELL = Teller("ERR003", "truncation-detected", "critical", "operations")
_MEND = ("compare what came with Content-Length, and want the last chunk and the end of the gzip "
         "stream (urllib3: enforce_content_length=True)")


def check(case: Case) -> Verdict:
    """ERR003 truncation-detected.

    What it does: the connection ends in the middle of a body: fewer bytes than Content-Length, no
    last chunk, half a gzip stream. What came may well be readable (the rest is white space). The
    caller must not get it as a success.

    Why it is bad: half a list of payments looks like a list of payments.

    Example: ``enforce_content_length=False``; a reader that takes the end of the connection for the
    end of the body.

    Use instead: a library that counts, and its error handed on. Who resumes with a range may
    succeed once all of it has come.

    When it is unknown: no body was cut short (not_exercised).

    References: RFC 9112, section 8.
    """
    findings: list[Finding] = []
    held = 0
    for operation in ended(case):
        short = [a for a in operation.attempts if _short(a)]
        if not short or any(_whole(a) for a in operation.requests):
            continue
        if operation.outcome == "failed":
            held += 1
            continue
        cut = short[-1]
        findings.append(Finding(
            operation.ref, tuple(cut.evidence),
            f"the answer ended after {cut.answered_bytes} bytes, in mid-body, and the caller got "
            f"{given(operation)}", _MEND))
    if findings:
        return _TELL.failed(case, findings, observed=len(findings), limit=0)
    if not held:
        return _TELL.unknown(case, case.doubt())
    return _TELL.passed(case, held, observed=0, limit=0)


def _short(attempt: Exchange) -> bool:
    """A 2xx that ended, by our doing, before its body did."""
    if attempt.status is None or attempt.status >= 300:
        return False
    cut = attempt.closed is not None and not attempt.complete and _body_cut(attempt)
    return cut or (attempt.complete and attempt.spoilt == "gzip_cut")


def _body_cut(attempt: Exchange) -> bool:
    words = attempt.word.split(" ")
    lane = words[0] == "lane" and attempt.answered_bytes > 0
    return lane or (words[-1].startswith("byte") and "request" not in words)


def _whole(attempt: Exchange) -> bool:
    """An answer that came whole: a success may be its; so may one that a last range completes."""
    return attempt.complete and attempt.status is not None and attempt.status < 300 and not attempt.spoilt


ERR003 = Invariant("ERR003", "truncation-detected", "ERR", "critical", check)
