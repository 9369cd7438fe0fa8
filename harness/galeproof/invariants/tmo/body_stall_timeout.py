"""TMO003 body-stall-timeout."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.tmo._waits import Wait, silent
from galeproof.model import Verdict
from galeproof.model.exchange import Exchange

__all__ = ["TMO003"]


def check(case: Case) -> Verdict:
    """TMO003 body-stall-timeout.

    What it does: the head of an answer comes, and its body never does. The client must give up
    waiting for the rest within its declared read timeout.

    Why it is bad: a provider that dies in the middle of an answer holds the caller's thread and
    its place in the pool for ever, although a timeout was set.

    Example: ``async with asyncio.timeout(1): response = await session.get(url)`` and then
    ``await response.read()`` outside of it; a socket whose timeout is cleared after the head.

    Use instead: one timeout that covers head and body, and a read timeout on each read.

    When it is unknown: no answer stalled (not_exercised); nothing is declared and the client was
    still waiting at the end of the observation (undeclared; FAIL under ``strict``); what is
    declared is longer than the observation (budget_exhausted); the machine was too late (noise).

    References: AWS Builders' Library, "Timeouts, retries and backoff with jitter"; httpx issue 1450.
    """
    return _WAIT.judge(case)


def _meets(attempt: Exchange) -> bool:
    """The head has left, the rest never will, and nobody but the client ends it."""
    return (silent(attempt) and attempt.status is not None
            and not attempt.complete and attempt.closed is None)


def _since_ns(attempt: Exchange) -> int:
    return attempt.end_hi_ns or attempt.start_hi_ns


_WAIT = Wait(
    Teller("TMO003", "body-stall-timeout", "critical", "s"), "the rest of a body",
    "read the body under the same timeout as the head (a streamed one on each next())",
    _meets, _since_ns)
TMO003 = Invariant("TMO003", "body-stall-timeout", "TMO", "critical", check)
