"""Chains of redirects, as the wire shows them."""

from __future__ import annotations

from dataclasses import dataclass

from galeproof.model.exchange import Exchange, Operation

__all__ = ["Chain", "chains_of"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Chain:
    """The requests of one operation and the redirects among their answers.

    Attributes:
        longest: The most requests in a row of which each but the last was redirected: a retry after
            a failure begins anew.
    """

    operation: Operation
    requests: tuple[Exchange, ...]
    redirects: tuple[Exchange, ...]
    longest: int

    @property
    def endless(self) -> bool:
        """Whether every whole answer was a redirect, so that only the client ends it."""
        answered = [a for a in self.requests if a.complete]
        return len(answered) == len(self.redirects)


def chains_of(operation: Operation) -> Chain | None:
    """Return the operation's redirects; None where it met none."""
    met = tuple(a for a in operation.attempts if a.complete and a.status in _REDIRECTS
                and a.answer_header("location"))
    if not met:
        return None
    known = {a.x for a in met}
    longest = run = 0
    for attempt in operation.requests:
        run += 1
        longest = max(longest, run)
        if attempt.x not in known:
            run = 0
    return Chain(operation, tuple(operation.requests), met, longest)
