"""RTY002 retry-only-transient."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.rty._gaps import same_request
from galeproof.model import Finding, Profile, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["RTY002"]

_TELL = Teller("RTY002", "retry-only-transient", "major", "attempts")
_DEFINITIVE = frozenset({400, 401, 403, 404, 405, 410, 413, 422, 501, 505})
_CREDENTIALS = ("authorization", "token", "api-key", "apikey", "cookie")
_MEND = ("retry by a list of what passes (timeouts, resets, 429, 502, 503, 504), never by "
         "\"every error\"; after a 401 once, with new credentials")


def check(case: Case) -> Verdict:
    """RTY002 retry-only-transient.

    What it does: the provider gives a definitive answer (400, 401, 403, 404, 405, 410, 413, 422,
    501, 505), over and over. The client must not send the same request again; after a 401 once,
    and only with other credentials.

    Why it is bad: the answer will be the same, so each retry is load and delay for nothing, and a
    few of them lock the account.

    Example: ``except Exception: retry``; ``if status >= 400: retry``.

    Use instead: retry on a list of transient failures. 408, 409 and 425 are a matter of policy; a
    status that the profile's ``retry_on`` names, and an answer that says ``x-should-retry: true``,
    may be retried.

    When it is unknown: no definitive answer came (not_exercised); requests could not be given to
    operations (attribution); the operation was cut off before it ended (budget_exhausted).

    References: AWS REL05-BP03 (anti-pattern: retry every error); gRFC A6.
    """
    findings: list[Finding] = []
    held = unfinished = most = 0
    for operation in case.sound():
        met = [a for a in operation.requests if _definitive(case.profile, a)]
        if not met or operation.cancel is not None:
            continue
        again = [(a, later) for a in met if (later := _again(operation, a))]
        wrong = [(a, later) for a, later in again
                 if not _asked_for(a) and not _renewed(operation, a, later)]
        tries = 1 + max((len(later) for _, later in again), default=0)
        most = max(most, tries)
        if wrong:
            first, later = wrong[0]
            findings.append(Finding(
                operation.ref, (*first.evidence[:1], *(b.evidence[0] for b in later)),
                f"{first.status} is definitive and was tried again: {tries} attempts", _MEND))
        elif operation.over_budget is not None or operation.outcome in (None, "killed"):
            unfinished += 1
        elif not again or any(not _asked_for(a) for a in met):
            held += 1
    if findings:
        return _TELL.failed(case, findings, observed=most, limit=1)
    if unfinished:
        return _TELL.unknown(case, "budget_exhausted", "still going when the observation ended",
                             observed=most, limit=1)
    if not held:
        return _TELL.unknown(case, case.doubt(), limit=1)
    return _TELL.passed(case, held, observed=most, limit=1)


def _definitive(profile: Profile, attempt: Exchange) -> bool:
    """A whole answer that will be the same next time, by nobody's leave otherwise."""
    return (attempt.complete and attempt.status in _DEFINITIVE
            and not profile.retries(attempt.status))


def _asked_for(attempt: Exchange) -> bool:
    """Whether the provider itself asks for another try."""
    return (attempt.answer_header("x-should-retry") or "").strip().lower() == "true"


def _again(operation: Operation, attempt: Exchange) -> list[Exchange]:
    """The attempts after this one that ask for the same."""
    return [a for a in operation.requests
            if a.start_lo_ns >= (attempt.end_lo_ns or attempt.start_hi_ns)
            and a is not attempt and same_request(attempt, a)]


def _renewed(operation: Operation, attempt: Exchange, later: list[Exchange]) -> bool:
    """The first 401 of a request, sent again with other credentials."""
    first = next(a for a in operation.requests if a.status == attempt.status
                 and same_request(attempt, a))
    return (attempt.status == 401 and attempt is first
            and _credentials(later[0]) != _credentials(attempt))


def _credentials(attempt: Exchange) -> list[tuple[str, str]]:
    return sorted((n.lower(), v) for n, v in attempt.headers
                  if any(part in n.lower() for part in _CREDENTIALS))


RTY002 = Invariant("RTY002", "retry-only-transient", "RTY", "major", check)
