"""ERR001 mapped-error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.err._answers import ended, given, kind_of
from galeproof.invariants.err._faults import classes_of, raw
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Operation

__all__ = ["ERR001"]

_TELL = Teller("ERR001", "mapped-error", "major", "operations")
_ANYTIME = ("deadline", "not_sent")  # what may end any operation, whatever its last attempt met
_NEAR = 0.8  # of a declared time: from here on a failure may be told as a timeout
_MEND = ("catch the library's errors at one place and raise your own, one type for each class, with "
         "status and retry_after")


@dataclass(slots=True)
class _Told:
    """What was found over all operations."""

    findings: list[Finding] = field(default_factory=list)
    lost: list[Finding] = field(default_factory=list)
    held: int = 0
    table: dict[str, str] = field(default_factory=dict)


def check(case: Case) -> Verdict:
    """ERR001 mapped-error.

    What it does: an operation fails for good: by a timeout, a broken connection, 429, 401 or 403,
    another 4xx, a 5xx, an answer that cannot be read. Its caller must get the type that the profile
    declares for that class (``errors = {timeout = "shop.Timeout", rate_limit = "shop.Busy"}``, or a
    subclass), never the library's own, and status and Retry-After must be on it.

    Why it is bad: callers that cannot tell "try later" from "you are wrong" do neither; and those
    who catch the library's errors break when the library changes.

    Example: ``except Exception: return None``; a JSONDecodeError that comes through.

    Use instead: one error tree of your own; the library's error may be its cause. Also known:
    ``deadline`` and ``not_sent`` (a breaker), which may end any operation, and ``not_found``.

    When it is unknown: no operation failed (not_exercised); no types are declared (undeclared: the
    note says what was seen); of a class that is not declared only the library's own types are held
    against you.

    References: RFC 9457; OpenTelemetry, error.type.
    """
    told = _Told()
    stuck = {str(e.marker) for e in case.history.of("blackhole", "tls_stall")}
    for operation in ended(case):
        _look(case, operation, classes_of(operation, stuck), told)
    if not told.table:
        return _TELL.unknown(case, case.doubt())
    seen = "; ".join(f"{name}: {kind}" for name, kind in sorted(told.table.items()))
    if not case.profile.errors:
        return _TELL.unknown(case, "undeclared", f"{seen}; to judge: errors = {{...}}")
    if told.findings or told.lost:
        return _TELL.failed(case, told.findings + told.lost, limit=0,
                            observed=len(told.findings) + len(told.lost),
                            severity="major" if told.findings else "minor")
    if not told.held:
        return _TELL.unknown(case, "undeclared", f"{seen}; none of these classes is declared")
    return _TELL.passed(case, told.held, observed=0, limit=0, note=seen)


def _look(case: Case, operation: Operation, classes: tuple[str, ...], told: _Told) -> None:
    if not classes:
        return
    last = operation.attempts[-1] if operation.attempts else None
    evidence = tuple((last.evidence if last else [operation.start.index])[:3])
    what = f"{classes[0]} ({last.word if last else 'no connection'})"
    if operation.outcome == "ok":
        # a 404 may be an answer; a malformed body is ERR002's matter, half a body ERR003's
        half = last is not None and last.closed is not None and last.answered_bytes
        if last is not None and last.status != 404 and not kind_of(last) and not half:
            told.table[classes[0]] = given(operation)
            told.findings.append(Finding(operation.ref, evidence,
                                         f"{what}: no error, the caller got {given(operation)}", _MEND))
        return
    error = operation.error or {}
    kind = str(error.get("type"))
    told.table[classes[0]] = kind
    wanted = _declared(case, operation, classes)
    types = [kind, *map(str, error.get("bases") or ())]
    if any(_same(name, found) for name in wanted for found in types):
        told.held += 1
        _facts(operation, error, evidence, told)
    elif raw(kind):
        told.findings.append(Finding(operation.ref, evidence,
                                     f"{what}: the library's own {kind} came through", _MEND))
    elif any(name in case.profile.errors for name in classes):
        told.findings.append(Finding(operation.ref, evidence,
                                     f"{what}: {kind}, declared is {' or '.join(wanted)}", _MEND))


def _declared(case: Case, operation: Operation, classes: Iterable[str]) -> list[str]:
    """The types that this failure may have."""
    names = [*classes, *_ANYTIME]
    if _near_timeout(case, operation):
        names.append("timeout")
    return [case.profile.errors[name] for name in names if name in case.profile.errors]


def _near_timeout(case: Case, operation: Operation) -> bool:
    """Whether a timeout may have ended it, whatever came in the end: an answer that is on its way when
    the wait is over is seen on the wire and by nobody else."""
    deadline, wait = case.profile.deadline_s, case.profile.read_timeout_s
    if deadline is not None and (any(a.answer_header("retry-after") for a in operation.attempts)
                                 or (operation.elapsed_ns or 0) / 1e9 >= _NEAR * deadline):
        return True
    if wait is None or not operation.attempts or operation.end is None:
        return False
    return (operation.end.lo_ns - operation.attempts[-1].start_lo_ns) / 1e9 >= _NEAR * wait


def _same(declared: str, found: str) -> bool:
    """Whether two names are one type: a package may export it from elsewhere than its home."""
    return declared == found or (
        declared.split(".")[0] == found.split(".")[0]
        and declared.rpartition(".")[2] == found.rpartition(".")[2])


def _facts(operation: Operation, error: Mapping[str, Any], evidence: tuple[int, ...],
           told: _Told) -> None:
    """Status and Retry-After of the answer must be on the error; of a foreign process's nothing is
    known but what it says."""
    last = operation.attempts[-1] if operation.attempts else None
    if last is None or not last.complete or last.status is None or "status" not in error:
        return
    if last.status >= 400 and error["status"] != last.status:
        told.lost.append(Finding(operation.ref, evidence,
                                 f"{error.get('type')} does not carry the status {last.status}", _MEND))
        return
    asked = last.answer_header("retry-after") or ""
    if last.status == 429 and asked.isdigit() and error.get("retry_after") is None:
        told.lost.append(Finding(operation.ref, evidence,
                                 f"{error.get('type')} does not carry Retry-After ({asked} s)", _MEND))


ERR001 = Invariant("ERR001", "mapped-error", "ERR", "major", check)
