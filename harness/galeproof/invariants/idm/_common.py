"""What the idempotency invariants share."""

from __future__ import annotations

from galeproof.invariants._case import Case
from galeproof.model.exchange import Exchange, Operation

__all__ = ["ambiguous", "unsafe"]

_UNSAFE = frozenset({"POST", "PATCH"})
_KEPT = 65_536
_UNSURE = frozenset({500, 502, 504})


def unsafe(case: Case) -> list[Operation]:
    """Operations that are not idempotent by method, nor declared to be."""
    return [
        o for o in case.sound()
        if any(a.method in _UNSAFE for a in o.attempts)
        and not any(_hidden(case, a) for a in o.attempts)
        and not (o.name in case.profile.operations
                 and case.profile.operations[o.name].naturally_idempotent)]


def _hidden(case: Case, attempt: Exchange) -> bool:
    """Whether the key may stand in that part of the body which the record leaves out."""
    return ((case.profile.idempotency_key or "").startswith("body:")
            and len(attempt.body) >= _KEPT and case.key_of(attempt) is None)


def ambiguous(attempt: Exchange) -> bool:
    """Whether the caller cannot know if the provider applied this attempt."""
    if attempt.method not in _UNSAFE or not attempt.whole:
        return False
    return not attempt.complete or attempt.status in _UNSURE
