"""OAU003 rotation-picked-up."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.sec._canary import find_canary
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["OAU003"]

_TELL = Teller("OAU003", "rotation-picked-up", "major", "s")
_TOLERANCE_S = 1.0
_MEND = ("read the secret's file before each use (its time and size tell whether it has changed), or "
         "every few seconds and whenever the secret was refused")


def check(case: Case) -> Verdict:
    """OAU003 rotation-picked-up.

    What it does: in the middle of a run the file of ``secrets.file(...)`` gets another secret, and
    the provider refuses the old one. The client must use the new one within the time that the
    profile declares (``secret_reload_s``) and a second, without a restart; from then on no operation
    may fail.

    Why it is bad: a rotation that needs restarts is put off, and a leaked secret lives on.

    Example: ``self.headers = {"Authorization": "Bearer " + path.read_text()}`` in the constructor.

    Use instead: read it where it is sent.

    When it is unknown: the subject asks for no file of its secret, or nothing was sent afterwards
    (not_exercised); nothing is declared and the old secret was still used at the end (undeclared;
    FAIL under ``strict``).

    References: OWASP Secrets Management Cheat Sheet, section 2.7.2.
    """
    rotated = next((e for e in case.history.of("rotated") if e.data.get("taken")), None)
    secrets = dict(case.history.header.get("secrets") or {})
    if rotated is None:
        return _TELL.unknown(case, case.doubt())
    name = str(rotated.data["name"])
    declared = case.profile.secret_reload_s
    limit_s = (declared or 0.0) + _TOLERANCE_S
    findings: list[Finding] = []
    held = 0
    last_s = 0.0
    for operation in case.sound():
        if operation.start.lo_ns < rotated.lo_ns:
            continue
        stale = [a for a in operation.requests if _holds(a, secrets.get(name, ""))]
        for attempt in stale:
            last_s = max(last_s, (attempt.start_lo_ns - rotated.hi_ns) / 1e9)
        problem = _problem(operation, stale, rotated.hi_ns, limit_s)
        if problem:
            findings.append(Finding(operation.ref, (rotated.index, *(
                a.evidence[0] for a in operation.requests[:3])), problem, _MEND))
        elif not stale and any(_holds(a, secrets.get(f"{name}_next", "")) for a in operation.requests):
            held += 1
    if findings and declared is None and not case.profile.strict:
        return _TELL.unknown(case, "undeclared", f"the old secret was used {last_s:.1f} s after it was "
                             "rotated; to judge: secret_reload_s = ...", observed=round(last_s, 3))
    if findings:
        return _TELL.failed(case, findings, observed=round(last_s, 3), limit=limit_s)
    if not held:
        return _TELL.unknown(case, case.doubt(), limit=limit_s)
    note = "" if declared is not None else "undeclared; held against 0 s"
    return _TELL.passed(case, held, observed=round(last_s, 3), limit=limit_s, note=note)


def _holds(attempt: Exchange, secret: str) -> bool:
    """Whether a request carries a secret, in any form."""
    text = "\n".join([attempt.target, attempt.body, *(v for _, v in attempt.headers)])
    seen = find_canary(secret, text) if secret else None
    return seen is not None and seen.whole


def _problem(operation: Operation, stale: list[Exchange], rotated_ns: int, limit_s: float) -> str | None:
    last_s = max(((a.start_lo_ns - rotated_ns) / 1e9 for a in stale), default=0.0)
    if last_s > limit_s:
        return f"the old secret was sent {last_s:.1f} s after it was rotated"
    if operation.outcome == "failed" and (operation.start.lo_ns - rotated_ns) / 1e9 > limit_s:
        return f"an operation failed although the new secret had been there for {limit_s:g} s"
    return None


OAU003 = Invariant("OAU003", "rotation-picked-up", "OAU", "major", check)
