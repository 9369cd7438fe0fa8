"""OAU002 bounded-refresh."""

from __future__ import annotations

import bisect
from collections import Counter

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.model import Event, Finding, Verdict
from galeproof.model.exchange import Operation

__all__ = ["OAU002"]

_TELL = Teller("OAU002", "bounded-refresh", "major", "requests")
_ATTEMPTS = 2
_UNDECLARED = 5  # token requests, where no cap is declared and the authority is down
_MEND = "after a 401 refresh once; if the fresh token is refused too, give the caller an error"


def check(case: Case) -> Verdict:
    """OAU002 bounded-refresh.

    What it does: every token is refused, the newest too; or the authority refuses to give one (400
    invalid_grant), or is down (503). An operation may send its request twice and ask for a token
    once (of an authority that is down, as often as retries are declared); then its caller must get
    an error.

    Why it is bad: a refused credential stays refused, and the loop locks the account and burdens two
    services.

    Example: ``while response.status_code == 401: self.refresh(); response = self.send()``.

    Use instead: a flag in the operation: renewed once.

    When it is unknown: the subject takes no ``token_url``, or no token was refused (not_exercised);
    an operation was cut off before it was over the limit (budget_exhausted). Another grant (asking
    the user) is another request and may follow.

    References: RFC 6749, section 5.2; RFC 6750, section 3.1.
    """
    expiry = next(case.history.of("token_expiry"), None)
    if expiry is None or not (expiry.data.get("refused") or expiry.data.get("status")):
        return _TELL.unknown(case, case.doubt(), limit=_ATTEMPTS)
    cap = 1
    if (expiry.data.get("status") or 0) >= 500:
        cap = case.profile.max_attempts or _UNDECLARED
    events = list(case.history.of("token"))
    findings: list[Finding] = []
    held = unfinished = most = 0
    for operation in case.sound():
        refused = [a for a in operation.requests if a.complete and a.status == 401]
        asked = _asked(events, operation)
        most = max(most, len(operation.requests), len(asked))
        problem = _problem(operation, asked, cap)
        if problem and operation.cancel is None:
            findings.append(Finding(operation.ref, tuple(
                [a.evidence[0] for a in refused[:5]] + [e.index for e in asked[:5]]), problem, _MEND))
        elif operation.outcome in (None, "killed"):
            unfinished += 1
        elif refused or asked:
            held += 1
    if findings:
        return _TELL.failed(case, findings, observed=most, limit=_ATTEMPTS)
    if unfinished and not held:
        return _TELL.unknown(case, "budget_exhausted", "still going when the observation ended",
                             observed=most, limit=_ATTEMPTS)
    if not held:
        return _TELL.unknown(case, case.doubt(), limit=_ATTEMPTS)
    return _TELL.passed(case, held, observed=most, limit=_ATTEMPTS)


def _asked(events: list[Event], operation: Operation) -> list[Event]:
    """The token requests while an operation ran (one at a time does)."""
    end = operation.end or operation.over_budget
    begin = bisect.bisect_left(events, operation.start.lo_ns, key=lambda e: e.lo_ns)
    last = bisect.bisect_right(events, end.lo_ns, key=lambda e: e.lo_ns) if end else len(events)
    return events[begin:last]


def _problem(operation: Operation, asked: list[Event], cap: int) -> str | None:
    sent = [a for a in operation.requests if a.complete and a.status == 401]
    if len(sent) > _ATTEMPTS:
        return f"the request was refused {len(sent)} times, {_ATTEMPTS} are enough"
    grants = Counter(str(e.data["grant"]) for e in asked)
    if grants and max(grants.values()) > cap:
        return f"{max(grants.values())} token requests for one operation, {cap} may be made"
    if sent and operation.outcome == "ok" and not any(
            a.complete and a.status is not None and a.status < 300 for a in operation.requests):
        return "every token was refused, and the caller got a success"
    return None


OAU002 = Invariant("OAU002", "bounded-refresh", "OAU", "major", check)
