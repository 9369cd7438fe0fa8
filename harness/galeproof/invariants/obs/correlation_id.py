"""OBS001 correlation-id."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["OBS001"]

_TELL = Teller("OBS001", "correlation-id", "minor", "operations")
_TRACE = "traceparent"
_SEARCHED = 200  # operations in which an undeclared id is looked for
_NO_ID = frozenset({"host", "content-length", "content-md5", "digest", "content-digest", "date",
                    "idempotency-key"})
_MEND = "draw the id once, before the first attempt, and send it with every attempt of that operation alone"


def check(case: Case) -> Verdict:
    """OBS001 correlation-id.

    What it does: every attempt of an operation must carry one correlation id, and no two operations
    may share one. Of a ``traceparent`` only the trace id counts: its span may change.

    Why it is bad: nobody can tell in the provider's log which lines belong to one call, nor which of
    them were its retries.

    Example: ``headers={"X-Request-Id": str(uuid4())}`` inside the retry loop; an id made once a process.

    Use instead: one id an operation, the caller's where there is one.

    When it is unknown: fewer than two operations, or none was retried (not_exercised); no header is
    declared, and none that was sent is constant over each operation and its own (undeclared). Calls
    with the same reference may share an id, and requests at another origin need none.

    References: W3C Trace Context, section 3.2; RFC 9110, section 10.
    """
    sent = [(o, s) for o in case.sound() if (s := [a for a in o.requests if not a.origin])]
    retried = sum(len(attempts) > 1 for _, attempts in sent)
    name = case.profile.correlation_id
    if len({o.ref for o, _ in sent}) < 2 or not retried:
        return _TELL.unknown(case, case.doubt())
    if name is not None:
        findings = _wrong(name, sent)
        if findings:
            return _TELL.failed(case, findings, observed=len(findings), limit=0)
        return _TELL.passed(case, retried, observed=0, limit=0)
    found = _constant(sent)
    if found:
        return _TELL.passed(case, retried, observed=0, limit=0, note=f"seen in {', '.join(found)}")
    note = f"no header of {len(sent)} operations is an id of its operation; to judge: " \
           'correlation_id = "X-Request-Id"'
    if case.profile.strict:
        operation, attempts = next((o, s) for o, s in sent if len(s) > 1)
        return _TELL.failed(case, [Finding(operation.ref, tuple(a.evidence[0] for a in attempts), note,
                                           _MEND)], observed=1, limit=0)
    return _TELL.unknown(case, "undeclared", note)


def _id(name: str, value: str) -> str:
    """The part of a header's value that may not change; empty where that is malformed."""
    if name != _TRACE:
        return value.strip()
    parts = value.strip().split("-")
    return parts[1] if len(parts) >= 4 else ""


def _wrong(name: str, sent: Sequence[tuple[Operation, list[Exchange]]]) -> list[Finding]:
    """Operations without an id, with several, or with another's."""
    lower, findings = name.lower(), []
    owners: dict[str, str] = {}
    for operation, attempts in sent:
        ids = [_id(lower, a.header(lower) or "") for a in attempts]
        text = ""
        if not all(ids):
            gaps = ", ".join(str(n) for n, i in enumerate(ids, 1) if not i)
            text = f"no {name} on attempt {gaps} of {len(ids)}"
        elif len(set(ids)) > 1:
            text = f"{len(set(ids))} ids over {len(ids)} attempts: {ids[0][:40]}, {ids[1][:40]} ..."
        else:
            owner = owners.setdefault(ids[0], operation.ref)
            text = f"shares {name} {ids[0][:40]} with {owner}" if owner != operation.ref else ""
        if text:
            findings.append(Finding(operation.ref, tuple(a.evidence[0] for a in attempts), text, _MEND))
    return findings


def _constant(sent: Sequence[tuple[Operation, list[Exchange]]]) -> list[str]:
    """Undeclared headers that are one id for each operation, and no other operation's."""
    found: dict[str, dict[str, str]] | None = None
    for operation, attempts in sent[:_SEARCHED]:
        held = _held(attempts)
        names = held.keys() if found is None else found.keys() & held.keys()
        kept: dict[str, dict[str, str]] = {}
        for name in sorted(names):
            owners = found[name] if found else {}
            if owners.setdefault(held[name], operation.ref) == operation.ref:
                kept[name] = owners
        found = kept
        if not found:
            return []
    return sorted(found or ())


def _held(attempts: Iterable[Exchange]) -> dict[str, str]:
    """The headers that have one value over all attempts of an operation."""
    held: dict[str, str] | None = None
    for attempt in attempts:
        own = {low: _id(low, v) for n, v in attempt.headers if (low := n.lower()) not in _NO_ID}
        held = own if held is None else {n: v for n, v in held.items() if own.get(n) == v}
    return {n: v for n, v in (held or {}).items() if v}


OBS001 = Invariant("OBS001", "correlation-id", "OBS", "minor", check)
