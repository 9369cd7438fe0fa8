"""What one operation is, and what has happened to it so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from galeproof.client.eligibility import FailureKind
from galeproof.client.transport import Answer, Failure

__all__ = ["Attempt", "Operation", "Progress"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One intent of the user; it stays the same in every attempt.

    Args:
        method: the HTTP method in upper case.
        route: the path template, for logs (`/payments/{payment_id}`).
        url: the absolute URL.
        headers: headers without credentials.
        body: the request body, or None.
        idempotency_key: the key, made once, or None.
        correlation_id: the id of the operation.
        deadline_at_s: when it must be over, on the monotonic clock.
    """

    method: str
    route: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    idempotency_key: str | None
    correlation_id: str
    deadline_at_s: float


@dataclass(slots=True)
class Progress:
    """What has been tried; `in_flight` is True while an exchange is on the wire."""

    attempts: int = 0
    in_flight: bool = False
    effect_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """How an attempt ended.

    Args:
        outcome: the answer or the failure.
        retry_after_s: what the provider asked for, in seconds, or None.
        seen_at_s: when it ended, on the wall clock.
    """

    outcome: Answer | Failure
    retry_after_s: float | None
    seen_at_s: float

    @property
    def failure(self) -> FailureKind | int:
        """The status of an answer, or the kind of a failure."""
        return self.outcome.status if isinstance(self.outcome, Answer) else self.outcome.kind

    @property
    def ok(self) -> bool:
        """True for a complete 2xx answer."""
        return isinstance(self.outcome, Answer) and 200 <= self.outcome.status < 300
