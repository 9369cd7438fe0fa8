"""SEC007 no-downgrade."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.sec._redirected import Follow
from galeproof.model import Verdict

__all__ = ["SEC007"]

_PLAIN = "plain"


def check(case: Case) -> Verdict:
    """SEC007 no-downgrade.

    What it does: an answer that came over TLS redirects to http on the same host. What the plain
    listener receives must not hold the run's canary, and no Authorization.

    Why it is bad: everybody on the way reads what goes over http.

    Example: ``follow_redirects=True`` with a key in a header that the library does not strip.

    Use instead: refuse redirects from https to http; https in the base URL, checked at construction.

    When it is unknown: no TLS was spoken, or no answer led to http (not_exercised); the canary never
    went over the wire (capture_missing). A redirect that is not followed, or followed without
    credentials, passes.

    References: OWASP REST Security Cheat Sheet (HTTPS only); RFC 9110, section 15.4.
    """
    if not case.history.header.get("tls"):
        return _FOLLOW.tell.unknown(case, "not_exercised")
    return _FOLLOW.judge(case)


_FOLLOW = Follow(
    Teller("SEC007", "no-downgrade", "critical", "redirects"),
    leaves=lambda location: location.startswith("http://"),
    there=lambda exchange: exchange.origin == _PLAIN,
    mend="refuse redirects from https to http, or follow them without credentials")
SEC007 = Invariant("SEC007", "no-downgrade", "SEC", "critical", check)
