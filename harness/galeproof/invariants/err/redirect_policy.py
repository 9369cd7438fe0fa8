"""ERR006 redirect-policy-obeyed."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.err._answers import given
from galeproof.invariants.err._redirects import Chain, chains_of
from galeproof.model import Finding, Verdict

__all__ = ["ERR006"]

_TELL = Teller("ERR006", "redirect-policy-obeyed", "major", "requests")
_MEND = ("give the limit to the call that sends (httpx: follow_redirects=False; requests: "
         "allow_redirects=False, session.max_redirects; urllib3: redirect=False at the request)")


def check(case: Case) -> Verdict:
    """ERR006 redirect-policy-obeyed.

    What it does: every answer is a redirect, within the origin or to another one. With a declared
    limit of n redirects (0 included) an operation may send n + 1 requests (a retry after a failure
    begins anew), and its caller must get an error, not the redirect's body.

    Why it is bad: who forbade redirects did so for a reason: they lead requests to hosts that
    somebody else chose.

    Example: ``PoolManager(retries=Retry(redirect=0))`` where only the limit of the single request
    counts.

    Use instead: no redirects where the API has none, said at the call.

    When it is unknown: no redirect came (not_exercised); no limit is declared (undeclared: to judge:
    ``max_redirects = 0``); the operation was cut off in a chain that it was still allowed
    (budget_exhausted). Requests to routes (tokens) are not counted.

    References: RFC 9110, section 15.4; CVE-2025-50181.
    """
    chains = [c for o in case.sound() if o.cancel is None and (c := chains_of(o))]
    most = max((c.longest for c in chains), default=0)
    allowed = case.profile.max_redirects
    if chains and allowed is None:
        return _TELL.unknown(case, "undeclared", f"{most} requests seen; to judge: max_redirects = ...",
                             observed=most)
    if not chains or allowed is None:
        return _TELL.unknown(case, case.doubt())
    findings: list[Finding] = []
    held = unfinished = 0
    for chain in chains:
        problem = _problem(chain, allowed)
        if problem:
            findings.append(Finding(chain.operation.ref, tuple(a.evidence[0] for a in chain.requests[:20]),
                                    problem, _MEND))
        elif chain.operation.outcome in (None, "killed"):
            unfinished += 1
        elif chain.endless or len(chain.redirects) > allowed:
            held += 1
    if findings:
        return _TELL.failed(case, findings, observed=most, limit=allowed + 1)
    if not held:
        return _TELL.unknown(case, "budget_exhausted" if unfinished else case.doubt(), observed=most,
                             limit=allowed + 1)
    return _TELL.passed(case, held, observed=most, limit=allowed + 1)


def _problem(chain: Chain, allowed: int) -> str | None:
    if chain.longest > allowed + 1:
        return f"{chain.longest} requests, {allowed} redirects are allowed"
    if chain.endless and chain.operation.outcome == "ok":
        return f"the last answer was a redirect, and the caller got {given(chain.operation)}"
    return None


ERR006 = Invariant("ERR006", "redirect-policy-obeyed", "ERR", "major", check)
