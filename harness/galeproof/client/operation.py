"""What one operation is, and what has happened to it so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from opentelemetry.trace import Span

from galeproof.client.eligibility import FailureKind
from galeproof.client.exchange import Answer, Failure
from galeproof.client.gate import Refusal

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
        trace_id: 32 hexadecimal digits, for `traceparent` where no span gives one.
        scope: what it needs of an OAuth token, words apart by spaces; empty for all.
        started_s: when it began, on the monotonic clock.
        deadline_at_s: when it must be over, on the monotonic clock.
    """

    method: str
    route: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    idempotency_key: str | None
    correlation_id: str
    trace_id: str
    scope: str
    started_s: float
    deadline_at_s: float


@dataclass(slots=True)
class Progress:
    """What has been tried.

    Args:
        attempts: exchanges begun.
        in_flight: True while one is on the wire.
        effect_unknown: True when the provider may have applied the operation.
        renewed: True once a refused credential was replaced; that is done once.
        span: the span of the first attempt, None while there is none.
    """

    attempts: int = 0
    in_flight: bool = False
    effect_unknown: bool = False
    renewed: bool = False
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """How an attempt ended.

    Args:
        outcome: the answer, the failure, or why it was not sent.
        retry_after_s: what the provider asked for, in seconds, or None.
        seen_at_s: when it ended, on the wall clock.
        renewed: True when its credential was refused and there is another one now.
    """

    outcome: Answer | Failure | Refusal
    retry_after_s: float | None
    seen_at_s: float
    renewed: bool = False

    @property
    def failure(self) -> FailureKind | int | None:
        """The status of an answer, the kind of a failure, None when nothing was sent."""
        outcome = self.outcome
        if isinstance(outcome, Answer):
            return outcome.status
        return outcome.kind if isinstance(outcome, Failure) else None

    @property
    def ok(self) -> bool:
        """True for a complete 2xx answer."""
        return isinstance(self.outcome, Answer) and 200 <= self.outcome.status < 300
