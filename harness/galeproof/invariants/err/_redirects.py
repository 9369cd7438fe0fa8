"""Chains of redirects, as the wire shows them."""

from __future__ import annotations

from dataclasses import dataclass

from galeproof.model.exchange import Exchange, Operation

__all__ = ["Chain", "chains_of"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Chain:
    """The requests of one operation and the redirects among their answers."""

    operation: Operation
    requests: tuple[Exchange, ...]
    redirects: tuple[Exchange, ...]

    @property
    def endless(self) -> bool:
        """Whether every whole answer was a redirect, so that only the client ends it."""
        answered = [a for a in self.requests if a.complete]
        return len(answered) == len(self.redirects)


def chains_of(operation: Operation) -> Chain | None:
    """Return the operation's redirects; None where it met none."""
    requests = operation.requests
    met = tuple(a for a in requests if a.complete and a.status in _REDIRECTS
                and a.answer_header("location"))
    return Chain(operation, tuple(requests), met) if met else None
