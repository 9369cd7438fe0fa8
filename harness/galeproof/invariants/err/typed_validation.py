"""ERR004 typed-validation."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.err._answers import VALUES, ended, given, good, kind_of
from galeproof.model import Finding, Profile, Verdict

__all__ = ["ERR004"]

_TELL = Teller("ERR004", "typed-validation", "major", "operations")
_ADDED = "unknown_field"
_MEND = ("validate answers against types (pydantic in strict mode, extra=\"ignore\") at the one place "
         "where they are read")


def check(case: Case) -> Verdict:
    """ERR004 typed-validation.

    What it does: a good answer is changed in one value: a field is missing, null, a number is a
    text, an object or beyond every range; and once a field is added that nobody knows. The first
    five must be refused, the last must be read.

    Why it is bad: a wrong value that is let in fails later, elsewhere, or is booked. A reader that
    refuses what is new breaks whenever the provider grows.

    Example: ``payment["amount"] * 2`` with the amount ``"12"``.

    Use instead: types at the door, and a tolerant reader for the rest. Say what you check:
    ``typed_answers = true`` (every field of the operation's answer), or a list of names;
    ``coerces = true`` where ``"12"`` is taken for 12 on purpose.

    When it is unknown: no such answer came (not_exercised); nothing is declared and a changed value
    was let in (undeclared; FAIL under ``strict``).

    References: Postel's law as RFC 9413 limits it; "Tolerant Reader" (Fowler).
    """
    findings: list[Finding] = []
    let_in: list[str] = []
    held = 0
    for operation in ended(case):
        bad = [a for a in operation.attempts if kind_of(a) in VALUES]
        if not bad or good(operation):
            continue
        kind, name = (*(bad[-1].spoilt or "").split(" "), "")[:2]
        failed = operation.outcome == "failed"
        if failed == (kind != _ADDED) or _coerced(case.profile, kind):
            held += 1
            continue
        what = f"{kind.replace('_', ' ')} ({name})"
        if failed:
            told = (operation.error or {}).get("type")
            findings.append(Finding(operation.ref, tuple(bad[-1].evidence),
                                    f"a field was added and the caller got {told}", _MEND))
        elif _promised(case.profile, name):
            findings.append(Finding(operation.ref, tuple(bad[-1].evidence),
                                    f"{what}: the caller got {given(operation)}", _MEND))
        else:
            let_in.append(what)
    if findings:
        only_added = all("was added" in f.text for f in findings)
        return _TELL.failed(case, findings, observed=len(findings), limit=0,
                            severity="minor" if only_added else "major")
    if let_in and case.profile.typed_answers is None:
        return _TELL.unknown(case, "undeclared", f"let in: {', '.join(sorted(set(let_in))[:4])}; to "
                             "judge: typed_answers = true", observed=len(let_in))
    if not held:
        return _TELL.unknown(case, case.doubt())
    return _TELL.passed(case, held, observed=0, limit=0)


def _coerced(profile: Profile, kind: str) -> bool:
    return profile.coerces and kind == "number_as_string"


def _promised(profile: Profile, name: str) -> bool:
    """Whether the owner says that this field is checked (``strict``: all of them are)."""
    typed = profile.typed_answers
    if typed is None:
        return profile.strict
    return typed is True or (isinstance(typed, tuple) and name in typed)


ERR004 = Invariant("ERR004", "typed-validation", "ERR", "major", check)
