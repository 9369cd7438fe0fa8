"""ERR002 malformed-is-not-success."""

from __future__ import annotations

import json

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.err._answers import MALFORMED, ended, given, good, kind_of
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["ERR002"]

_TELL = Teller("ERR002", "malformed-is-not-success", "critical", "operations")
_MEND = ("parse strictly (UTF-8, one JSON document, no NaN, no key twice) and raise an error of your "
         "own where it fails; never return an empty value in its place")


def check(case: Case) -> Verdict:
    """ERR002 malformed-is-not-success.

    What it does: a 2xx comes whole and is not what it should be: an HTML page, half a JSON document,
    nothing, NaN, bytes that are not its charset, a key that stands there twice, a 204 where a value
    was promised. The caller must get an error, or the default that the profile documents for that
    operation (``operations.fetch.default``).

    Why it is bad: a proxy's error page becomes an empty result, and what is decided on it is wrong
    without a trace.

    Example: ``except ValueError: return {}``.

    Use instead: a strict parser, and an error of your own for what it refuses. Valid JSON under
    another content type may be read. A key that stands there twice is minor: JSON does not forbid
    it, and nobody knows which value was meant.

    When it is unknown: no such answer came (not_exercised); the operation returns the body as it
    came (undeclared: an API of raw bytes).

    References: RFC 8259, sections 4, 6 and 8.1; RFC 9110, section 15.3.5.
    """
    findings: list[Finding] = []
    held = raw = 0
    severity = "minor"
    for operation in ended(case):
        bad = [a for a in operation.attempts if kind_of(a) in MALFORMED]
        if not bad or good(operation):
            continue
        if operation.outcome == "failed" or _allowed(case, operation, bad[-1]):
            held += 1
        elif _as_it_came(operation, bad[-1]):
            raw += 1
        else:
            kind = kind_of(bad[-1])
            if kind != "duplicate_keys":
                severity = "critical"
            findings.append(Finding(
                operation.ref, tuple(bad[-1].evidence),
                f"the answer was {kind.replace('_', ' ')}, the caller got {given(operation)}", _MEND))
    if findings:
        return _TELL.failed(case, findings, observed=len(findings), limit=0, severity=severity)
    if raw:
        return _TELL.unknown(case, "undeclared", "the operation returns the body as it came")
    if not held:
        return _TELL.unknown(case, case.doubt())
    return _TELL.passed(case, held, observed=0, limit=0)


def _allowed(case: Case, operation: Operation, attempt: Exchange) -> bool:
    """The right value under another content type, or the documented default."""
    if attempt.value and attempt.value in json.dumps(operation.value):
        return True
    declared = case.profile.operations.get(operation.name)
    return declared is not None and "default" in declared.model_fields_set and (
        declared.default == operation.value)


def _as_it_came(operation: Operation, attempt: Exchange) -> bool:
    """Whether the operation gives its caller text, whatever stands in it."""
    return isinstance(operation.value, str) and bool(operation.value) and (
        kind_of(attempt) not in ("empty", "no_content"))


ERR002 = Invariant("ERR002", "malformed-is-not-success", "ERR", "critical", check)
