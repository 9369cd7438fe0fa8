"""SEC006 cross-origin-redirect."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.sec._redirected import Follow
from galeproof.model import Verdict

__all__ = ["SEC006"]


def check(case: Case) -> Verdict:
    """SEC006 cross-origin-redirect.

    What it does: an answer redirects to another origin: another port, another host, another scheme;
    there and back; and to an origin that asks for a digest. What the other origin then receives
    (headers, target, Referer, body) must not hold the run's canary in any form, and no
    Authorization at all.

    Why it is bad: whoever can make one redirect gets the credentials of every caller.

    Example: ``headers={"X-Api-Key": key}`` with httpx, requests, urllib3 or aiohttp, which drop
    Authorization only; a client that compares hosts and forgets ports.

    Use instead: follow no redirects, or those within scheme, host and port; credentials added by the
    hook that knows the request's address. A redirect that is not followed passes.

    When it is unknown: no redirect left the origin (not_exercised); the canary never went over the
    wire (capture_missing).

    References: RFC 9110, section 15.4; CVE-2018-1000007.
    """
    return _FOLLOW.judge(case)


_FOLLOW = Follow(
    Teller("SEC006", "cross-origin-redirect", "critical", "redirects"),
    leaves=lambda location: "://" in location, there=lambda exchange: bool(exchange.origin),
    mend="do not follow redirects to another scheme, host or port; or strip every header, cookie and "
         "body that identifies the caller, not Authorization alone")
SEC006 = Invariant("SEC006", "cross-origin-redirect", "SEC", "critical", check)
