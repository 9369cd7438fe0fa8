"""TMO005 tls-timeout."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.tmo._connecting import Connecting, total_limit
from galeproof.model import Verdict

__all__ = ["TMO005"]


def check(case: Case) -> Verdict:
    """TMO005 tls-timeout.

    What it does: the connection is accepted, the client's hello is read, and no ServerHello comes;
    or it comes byte by byte. The client must give up within its deadline, or where none is declared
    within its connect timeout for each attempt.

    Why it is bad: many stacks begin their timeouts after the handshake, so that one broken TLS
    terminator holds every caller.

    Example: ``ssl.wrap_socket`` on a socket whose timeout is set afterwards.

    Use instead: a connect timeout that covers the handshake (httpx, urllib3 and aiohttp's
    ``sock_connect`` do), and a deadline over all of it.

    When it is unknown: the subject takes no ``ca_file``, so that nothing over TLS was run
    (not_exercised); nothing is declared and the client was still waiting at the end of the
    observation (undeclared; FAIL under ``strict``); a declared deadline is longer than the
    observation (budget_exhausted); between the zones (noise).

    References: AWS Builders' Library, "Timeouts, retries and backoff with jitter"; RFC 8446.
    """
    return _CONNECT.judge(case)


_CONNECT = Connecting(
    Teller("TMO005", "tls-timeout", "major", "s"), "tls_stall", "hellos", "TLS",
    "let the timeout begin before the handshake: set it on the socket before it is wrapped, and hold "
    "the whole call under a deadline", total_limit)
TMO005 = Invariant("TMO005", "tls-timeout", "TMO", "major", check)
