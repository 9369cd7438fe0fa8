"""CBK004 client-errors-do-not-trip."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.model import Finding, Verdict

__all__ = ["CBK004"]

_TELL = Teller("CBK004", "client-errors-do-not-trip", "minor", "share that was sent")
_ENOUGH, _LEAST = 150, 0.98
_PASSING = frozenset({408, 429})
_MEND = "count only what says that the provider is ill: timeouts, resets, 5xx, perhaps 429"


def check(case: Case) -> Verdict:
    """CBK004 client-errors-do-not-trip.

    What it does: two hundred operations are answered 404 or 422. All must be sent: such answers say that
    the request is wrong, and nothing of the provider's health.

    Why it is bad: one caller with a wrong identifier shuts the provider off for everybody.

    Example: a breaker that counts any answer that is not 2xx.

    Use instead: count 5xx, timeouts and connection errors; a 4xx is a success of the connection.

    When it is unknown: fewer than 150 operations met such answers (not_exercised); no breaker is promised
    and nothing was held back (undeclared): a client without a breaker cannot show it.

    References: gRFC A6 (what is malformed is no failure of the server's).
    """
    operations = [o for o in case.sound() if o.cancel is None]
    counted = set(case.profile.breaker.counts) if case.profile.breaker else set()
    statuses = {a.status for o in operations for a in o.requests if a.complete}
    refusing = {s for s in statuses if s is not None and 400 <= s < 500} - _PASSING
    if len(operations) < _ENOUGH or not refusing or statuses - refusing or refusing & counted:
        return _TELL.unknown(case, case.doubt())
    sent = sum(bool(o.requests) for o in operations)
    share = sent / len(operations)
    figures = {"observed": round(share, 3), "limit": _LEAST}
    if share < _LEAST:
        held = [o for o in operations if not o.requests]
        text = (f"after answers of {', '.join(map(str, sorted(refusing)))} {len(held)} of {len(operations)} "
                "operations were not sent")
        evidence = tuple(o.start.index for o in held[:10])
        return _TELL.failed(case, [Finding(held[0].ref, evidence, text, _MEND)], witnesses=len(held),
                            **figures)
    if case.profile.breaker is None:
        return _TELL.unknown(case, "undeclared", "all were sent; to judge: breaker = {...}", **figures)
    return _TELL.passed(case, len(operations), **figures)


CBK004 = Invariant("CBK004", "client-errors-do-not-trip", "CBK", "minor", check)
