"""OBS003 fallback-is-visible."""

from __future__ import annotations

from typing import Any

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["OBS003"]

_TELL = Teller("OBS003", "fallback-is-visible", "minor", "operations")
_OTHER = "other"
_LOG = "log:"
_MEND = ("return a marked value (fallback: true, its source, its age), ask the primary first, and the "
         "secondary only where that has failed")


def check(case: Case) -> Verdict:
    """OBS003 fallback-is-visible.

    What it does: the primary answers, and then fails for good beside a secondary that is well, or
    beside one that is down too. A value that is none of the primary's must be marked, the primary must
    be asked first, the secondary never while the primary is well, and a value that is given again must
    not be older than declared.

    Why it is bad: a stale or foreign value is taken for a fresh one, and nobody sees the outage.

    Example: ``except Unavailable: return cache[ref]``.

    Use instead: ``fallback = {mark = "fallback"}``, and a value that says where it comes from.

    When it is unknown: no fallback is declared (undeclared, with the number of such answers seen; under
    strict they fail); the primary did not fail after it was well, or nothing answered in its place
    (not_exercised); the mark is a text in the log, which was not captured (capture_missing).

    References: AWS Well-Architected, REL05-BP01 (graceful degradation); RFC 9111, section 4.2.4.
    """
    declared = case.profile.fallback
    reads = [o for o in case.sound() if o.kind == "read" and o.outcome in ("ok", "failed")
             and not any(a.origin not in ("", _OTHER) or _redirected(a) for a in o.requests)]
    replaced = [o for o in reads if o.outcome == "ok" and _failed(o)]
    if declared is None and not case.profile.strict:
        if not replaced:
            return _TELL.unknown(case, case.doubt())
        return _TELL.unknown(case, "undeclared", f"{len(replaced)} answers were none of the primary's; to "
                             'judge: fallback = {mark = "fallback"}', observed=len(replaced))
    findings: list[Finding] = []
    held, fresh = 0, dict[str, int]()
    for operation in reads:
        wrong = _misplaced(case, operation)
        if operation in replaced:
            wrong = wrong or _silent(case, operation) or _old(case, operation, fresh.get(operation.ref))
            held += not wrong
        elif operation.outcome == "ok" and operation.end:
            fresh[operation.ref] = operation.end.lo_ns
        if wrong:
            events = [i for a in operation.requests for i in a.evidence]
            events += [operation.end.index] if operation.end else []
            findings.append(Finding(operation.ref, tuple(events), wrong, _MEND))
    if findings:
        return _TELL.failed(case, findings, observed=len(findings), limit=0)
    if not held:
        return _TELL.unknown(case, case.doubt())
    if declared and declared.mark.startswith(_LOG) and not any(
            e.data.get("found") for e in case.history.of("probe") if e.data.get("channel") == "log"):
        return _TELL.unknown(case, "capture_missing", "not captured: log")
    return _TELL.passed(case, held, observed=0, limit=0)


def _redirected(attempt: Exchange) -> bool:
    return attempt.status is not None and 300 <= attempt.status < 400


def _well(attempt: Exchange) -> bool:
    return (attempt.complete and attempt.status is not None and attempt.status < 300
            and attempt.spoilt is None)


def _failed(operation: Operation) -> bool:
    """Whether the primary was asked, and gave no answer at all that a client may take for one."""
    primary = [a for a in operation.requests if not a.origin]
    return bool(primary) and not any(a.complete and a.status is not None and a.status < 300 for a in primary)


def _misplaced(case: Case, operation: Operation) -> str:
    """Say whether the secondary was asked before the primary had failed."""
    others = [a for a in operation.requests if a.origin == _OTHER]
    primary = [a for a in operation.requests if not a.origin]
    if not others or case.profile.hedged:
        return ""
    if not primary or others[0].start_lo_ns < primary[0].start_lo_ns:
        return "the secondary was asked before the primary"
    if any(map(_well, primary)) or (others[0].start_hi_ns < (primary[0].end_lo_ns or 0)):
        return "the secondary was asked while the primary was well"
    return ""


def _silent(case: Case, operation: Operation) -> str:
    """Say whether a value that is none of the primary's is not marked."""
    mark = case.profile.fallback.mark if case.profile.fallback else "fallback"
    source = "the secondary's" if any(a.origin == _OTHER and _well(a) for a in operation.requests) else (
        "none that was answered to this call")
    if mark.startswith(_LOG):
        end_ns = operation.end.hi_ns if operation.end else operation.start.hi_ns
        said = any(mark[len(_LOG):] in str(e.data.get("text", "")) for e in case.history.of("capture")
                   if e.data.get("channel") == "log" and operation.start.lo_ns <= e.lo_ns <= end_ns)
    else:
        said = bool(_field(operation.value, mark))
    return "" if said else f"the primary failed, the value is {source}, and {mark} does not say so"


def _field(value: Any, path: str) -> Any:
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _old(case: Case, operation: Operation, fresh_ns: int | None) -> str:
    """Say whether a value that is given again is older than declared."""
    limit_s = case.profile.fallback.stale_s if case.profile.fallback else None
    if limit_s is None or fresh_ns is None or any(map(_well, operation.requests)):
        return ""
    age_s = (operation.start.lo_ns - fresh_ns) / 1e9
    return f"the value is {age_s:.1f} s old; {limit_s:g} s are declared" if age_s > limit_s else ""


OBS003 = Invariant("OBS003", "fallback-is-visible", "OBS", "minor", check)
