"""TMO001 connect-timeout."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.tmo._connecting import Connecting, connect_limit
from galeproof.model import Verdict

__all__ = ["TMO001"]


def check(case: Case) -> Verdict:
    """TMO001 connect-timeout.

    What it does: connecting to the provider never completes (a full accept queue, a firewall that
    drops). The client must give up within its connect timeout for each declared attempt, its
    backoffs, and the deadline, whichever comes first.

    Why it is bad: the operating system goes on trying for two minutes, and every caller with it.

    Example: ``httpx.Client(timeout=None)``; a timeout on reads only.

    Use instead: ``httpx.Timeout(connect=1, read=1, write=1, pool=1)``.

    When it is unknown: no connect hung (not_exercised); the platform could not make the fault
    (harness_fault); nothing is declared and the client was still connecting at the end of the
    observation (undeclared; FAIL under ``strict``); a declared deadline is longer than the
    observation (budget_exhausted); between the zones (noise).

    References: AWS Builders' Library, "Timeouts, retries and backoff with jitter"; grpc.io,
    deadlines.
    """
    return _CONNECT.judge(case)


_CONNECT = Connecting(
    Teller("TMO001", "connect-timeout", "critical", "s"), "blackhole", "made", "connect",
    "give every connect a timeout (requests: timeout=(connect, read); httpx: Timeout(connect=); "
    "aiohttp: ClientTimeout(sock_connect=)), in seconds", connect_limit)
TMO001 = Invariant("TMO001", "connect-timeout", "TMO", "critical", check)
