"""IDM007 exactly-once."""

from __future__ import annotations

import json

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.idm._common import ambiguous, unsafe
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Operation

__all__ = ["IDM007"]

_TELL = Teller("IDM007", "exactly-once", "critical", "effects")
_UNKNOWN = "unknown"
_KEPT = 4096  # characters of a value that the record keeps
_MEND = ("send one key with every attempt; return the answer of the provider; where an answer was "
         "lost for good, raise an error that says so (effect_unknown = True)")


def check(case: Case) -> Verdict:
    """IDM007 exactly-once.

    What it does: writes lose their answers after the effect, at the first and the second attempt,
    at a provider that knows repeated keys. Each operation may have one effect at most; a success
    means exactly one, and returns it; an error that may hide an effect must say "unknown".

    Why it is bad: the customer pays twice, or is told that nothing was paid.

    Example: a fresh key for each attempt; an error that says "not paid" after a timeout.

    Use instead: one key an operation; ``raise MaybePaid(effect_unknown=True)``.

    When it is unknown: no write lost its answer (not_exercised); an effect belongs to no operation
    for sure (attribution). An error tells by an attribute ``effect_unknown``, by a driver's
    ``"effect"``, or by its type where ``errors = {unknown = ...}`` declares one; one that says
    nothing is told in the note.

    References: draft-ietf-httpapi-idempotency-key-header, section 2; the end-to-end argument.
    """
    findings: list[Finding] = []
    owners = _owners(case)
    most = held = silent = 0
    for operation in unsafe(case):
        effects = _effects(case, operation)
        most = max(most, len(effects))
        problem = _problem(case, operation, effects, owners)
        if problem:
            findings.append(Finding(operation.ref, _evidence(operation), problem, _MEND))
        elif operation.outcome in ("ok", "failed") and (
                any(map(ambiguous, operation.requests)) or _refused_but_done(operation)):
            held += 1
            silent += operation.outcome == "failed" and _said(case, operation) is None
    if findings:
        return _TELL.failed(case, findings, observed=most, limit=1)
    if _loose(case):
        return _TELL.unknown(case, "attribution", "an effect belongs to no operation for sure")
    if not held:
        return _TELL.unknown(case, case.doubt())
    note = (f"{silent} errors do not say whether the effect is unknown; to judge: "
            'errors = {unknown = "..."}' if silent else "")
    return _TELL.passed(case, held, observed=most, limit=1, note=note)


def _effects(case: Case, operation: Operation) -> list[str]:
    """The distinct effects of an operation. What an answer made that the API promises never to make
    is the origin's breach, not the client's."""
    return list(dict.fromkeys(
        e for a in operation.attempts for e in a.effects
        if not (a.complete and a.status in case.profile.never_applied)))


def _owners(case: Case) -> dict[str, str]:
    """Whose request made each effect: a key that comes back replays another's."""
    owners: dict[str, str] = {}
    made = sorted((a.start_lo_ns, o.ref, e) for o in case.operations for a in o.attempts
                  for e in a.effects)
    for _, ref, effect in made:
        owners.setdefault(effect, ref)
    return owners


def _problem(case: Case, operation: Operation, effects: list[str],
             owners: dict[str, str]) -> str | None:
    """Say what is wrong with one operation, or None."""
    if len(effects) > 1:
        return (f"{len(effects)} effects of one operation ({', '.join(effects[:3])}), "
                f"{len(operation.requests)} attempts, the caller got {operation.outcome}")
    if operation.outcome == "ok":
        return _success(operation, effects, owners)
    if operation.outcome != "failed":
        return None
    may_be = bool(effects) or any(map(ambiguous, operation.requests))
    if may_be and _said(case, operation) is False:
        kind = (operation.error or {}).get("type", "an error")
        sure = "was applied" if effects else "may have been applied"
        return f"the caller got {kind}, which denies the effect, and the operation {sure}"
    return None


def _success(operation: Operation, effects: list[str], owners: dict[str, str]) -> str | None:
    """A success needs its effect, and the value that the provider gave it."""
    answers = [a for a in operation.requests if a.complete and a.status is not None
               and a.status < 300]
    if not effects:
        return None if any(answers) else "the caller got a success and no effect was made"
    other = owners[effects[0]]
    if other != operation.ref:
        return f"the caller got a success, and the effect {effects[0]} is that of {other}"
    told = next((a.value for a in reversed(answers) if a.value in effects), None)
    said = json.dumps(operation.value)
    returned = operation.end is None or operation.end.data.get("returned", True)
    if told is None or told in said or len(said) >= _KEPT or not returned:
        return None
    return f"the caller got {said[:60]}, the provider's effect is {told}"


def _said(case: Case, operation: Operation) -> bool | None:
    """Whether the error says that the effect is unknown; None where it says nothing of it."""
    error = operation.error or {}
    if error.get("effect") is not None:
        return bool(error["effect"] == _UNKNOWN)
    declared = case.profile.errors.get(_UNKNOWN)
    if declared is None:
        return None
    return declared in (error.get("type"), *(error.get("bases") or ()))


def _refused_but_done(operation: Operation) -> bool:
    """An error status that came although the effect was made."""
    return any(a.effects and a.status is not None and a.status >= 400 for a in operation.requests)


def _loose(case: Case) -> bool:
    """Effects of requests that no one operation owns for sure."""
    return any(a.effects for a in (*case.attribution.strays, *case.attribution.ambiguous))


def _evidence(operation: Operation) -> tuple[int, ...]:
    events = [i for a in operation.requests for i in a.evidence]
    return (*events, operation.end.index) if operation.end else tuple(events)


IDM007 = Invariant("IDM007", "exactly-once", "IDM", "critical", check)
