"""The OAuth authority of the world."""

import random

from galeproof.kernel.wire import Head
from galeproof.origin.tokens import Issuer


def bearing(token):
    return Head(("GET", "/", "HTTP/1.1"), (("Authorization", f"Bearer {token}"),))


def test_a_refresh_token_rotates_and_is_good_once():
    """The second use of one is invalid_grant, and recorded as reuse."""
    issuer = Issuer(random.Random(1), "rt_first", rotate=True)
    form = b"grant_type=refresh_token&refresh_token=rt_first"
    first, second = issuer.issue(form), issuer.issue(form)
    assert (200, 400, True) == (first.status, second.status, second.told["reused"])
    assert first.body["refresh_token"] == issuer.refresh != "rt_first"


def test_a_storm_expires_what_was_issued_before():
    """Fresh tokens are good, unless all are refused."""
    issuer = Issuer(random.Random(1))
    old = issuer.issue(b'{"grant_type": "client_credentials"}').body["access_token"]
    assert issuer.accepts(bearing(old))
    issuer.storm({"expired": True})
    fresh = issuer.issue(b"").body["access_token"]
    assert (False, True, True) == (issuer.accepts(bearing(old)), issuer.accepts(bearing(fresh)), issuer.guarded)
    issuer.storm({"expired": False, "refused": True})
    assert not issuer.accepts(bearing(fresh))


def test_the_endpoint_may_answer_with_an_error():
    """invalid_grant at 400, else it is down; grants that nobody knows are refused."""
    issuer = Issuer(random.Random(1))
    assert "unsupported_grant_type" == issuer.issue(b"grant_type=magic").body["error"]
    issuer.storm({"status": 400})
    assert "invalid_grant" == issuer.issue(b"").body["error"]
    issuer.storm({"status": 503})
    assert (503, "temporarily_unavailable") == (issuer.issue(b"").status, issuer.issue(b"").body["error"])
