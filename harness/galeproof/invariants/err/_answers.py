"""What came back over an operation's attempts, and what its caller was given."""

from __future__ import annotations

import json

from galeproof.invariants._case import Case
from galeproof.model.exchange import Exchange, Operation

__all__ = ["MALFORMED", "VALUES", "ended", "given", "good", "kind_of"]

MALFORMED = frozenset({"html", "truncated_json", "empty", "nan", "charset", "duplicate_keys",
                       "wrong_type", "no_content", "gzip_cut"})
VALUES = frozenset({"missing_field", "null_field", "number_as_string", "wrong_value",
                    "infinite_number", "unknown_field"})


def ended(case: Case) -> list[Operation]:
    """Operations that ended by themselves, with an outcome that says something."""
    return [o for o in case.sound() if o.cancel is None and o.over_budget is None
            and o.outcome in ("ok", "failed")]


def kind_of(attempt: Exchange) -> str:
    """How a whole 2xx answer was spoilt: the first word; empty where it was not."""
    if not attempt.spoilt or not attempt.complete or (attempt.status or 300) >= 300:
        return ""
    return attempt.spoilt.split(" ")[0]


def good(operation: Operation) -> bool:
    """Whether some attempt brought a whole, healthy 2xx answer: a success may be its."""
    return any(a.complete and a.status is not None and a.status < 300 and not a.spoilt
               for a in operation.attempts)


def given(operation: Operation) -> str:
    """What the caller was given, as short text."""
    return json.dumps(operation.value)[:60]
