"""TMO002 response-timeout."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.tmo._waits import Wait, silent
from galeproof.model import Verdict
from galeproof.model.exchange import Exchange

__all__ = ["TMO002"]


def check(case: Case) -> Verdict:
    """TMO002 response-timeout.

    What it does: a request is read whole and never answered. The client must give up waiting for
    the first byte within its declared read timeout.

    Why it is bad: one silent provider takes every thread of the caller, for ever.

    Example: ``requests.get(url)`` without ``timeout``.

    Use instead: ``requests.get(url, timeout=(1, 1))``.

    When it is unknown: no attempt met the silence (not_exercised); nothing is declared and the
    client was still waiting at the end of the observation (undeclared; FAIL under ``strict``);
    the machine was too late (noise).

    References: AWS Builders' Library, "Timeouts, retries and backoff with jitter".
    """
    return _WAIT.judge(case)


def _meets(attempt: Exchange) -> bool:
    if not silent(attempt) or attempt.word.endswith("accept"):
        return False
    return attempt.whole and not attempt.answered_bytes


def _since_ns(attempt: Exchange) -> int:
    """The wait begins when the whole request has arrived: an upload is no wait."""
    return max(attempt.start_hi_ns, attempt.whole_ns or 0)


_WAIT = Wait(
    Teller("TMO002", "response-timeout", "critical", "s"), "a first byte",
    "give every call a read timeout (requests: timeout=; httpx: Timeout(read=); "
    "urllib3: Timeout(read=)), in seconds", _meets, _since_ns)
TMO002 = Invariant("TMO002", "response-timeout", "TMO", "critical", check)
