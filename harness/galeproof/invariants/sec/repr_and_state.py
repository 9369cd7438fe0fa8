"""SEC004 repr-and-state."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.sec._seen import LEAK, blind, sightings
from galeproof.model import Finding, Verdict

__all__ = ["SEC004"]

_TELL = Teller("SEC004", "repr-and-state", "major", "sightings")
_CHANNELS = ("repr", "state")
_MEND = "keep secrets in pydantic.SecretStr, or in a field(repr=False) that asdict does not reach"


def check(case: Case) -> Verdict:
    """SEC004 repr-and-state.

    What it does: asks the client's objects for repr and str at the end of a run: the client, and
    what it holds (its configuration, its tokens). No canary secret may stand there; one that
    stands in a plain attribute (``vars``, one level) or in ``dataclasses.asdict`` is minor.

    Why it is bad: objects are logged whole, and trackers keep the attributes of what they meet.

    Example: a dataclass with a ``token`` field.

    Use instead: ``token: SecretStr``.

    When it is unknown: a foreign process, the canary never went over the wire, or a planted probe
    was not found (capture_missing); the subject is a function without a client object (undeclared).

    References: OWASP Secrets Management Cheat Sheet; pydantic, Secret types.
    """
    findings: list[Finding] = []
    minor: list[Finding] = []
    notes: set[str] = set()
    looked = 0
    for event in case.history.of("capture"):
        channel = str(event.data.get("channel"))
        if channel not in _CHANNELS:
            continue
        looked += channel == "repr"
        for name, seen in sightings(case, str(event.data.get("text", ""))):
            if seen.size < LEAK and not seen.whole:
                notes.add(f"{seen.size} characters of {name} were shown")
                continue
            how = "repr" if channel == "repr" else "attributes"
            (findings if channel == "repr" else minor).append(Finding(
                event.marker, (event.index,),
                f"{name} ({seen.form}) in the {how} of {event.data.get('logger')}", _MEND))
    if findings or minor:
        return _TELL.failed(case, findings or minor, observed=len(findings or minor), limit=0,
                            severity="major" if findings else "minor")
    why = blind(case, _CHANNELS)
    if why is None and not looked:
        why = ("undeclared", "the subject has no client object")
    if why is not None:
        return _TELL.unknown(case, *why)
    return _TELL.passed(case, looked, observed=0, limit=0, note="; ".join(sorted(notes)))


SEC004 = Invariant("SEC004", "repr-and-state", "SEC", "major", check)
