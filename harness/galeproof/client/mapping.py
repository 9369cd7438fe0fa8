"""From the end of an operation to its error."""

from __future__ import annotations

from datetime import UTC, datetime

from galeproof.client.eligibility import FailureKind
from galeproof.client.errors import (
    AuthenticationFailed,
    ClientError,
    ConnectFailed,
    ConnectionReset,
    ErrorFacts,
    NotFound,
    PayloadError,
    RateLimited,
    Rejected,
    TimedOut,
    Truncated,
    Unavailable,
)
from galeproof.client.exchange import Answer, Failure
from galeproof.client.operation import Attempt, Operation, Progress
from galeproof.client.payload import read_problem
from galeproof.client.redaction import Redactor

__all__ = ["error_of", "facts_of"]

_KINDS: dict[FailureKind, tuple[type[ClientError], str, str]] = {
    "connect": (ConnectFailed, "connect_failed", "no connection could be made"),
    "tls": (ConnectFailed, "certificate_refused", "the provider's certificate was refused"),
    "pool": (TimedOut, "pool_timeout", "no pooled connection became free in time"),
    "connect_timeout": (TimedOut, "connect_timeout", "connecting took too long"),
    "timeout": (TimedOut, "timeout", "the exchange took too long"),
    "reset": (ConnectionReset, "connection_reset", "the connection broke before a complete answer"),
    "truncated": (Truncated, "truncated", "the answer broke off in its body"),
    "protocol": (PayloadError, "protocol_error", "the answer is not readable HTTP"),
    "size": (PayloadError, "response_too_large", "the answer is larger than allowed"),
}
_STATUSES: dict[int, type[ClientError]] = {
    401: AuthenticationFailed,
    403: AuthenticationFailed,
    404: NotFound,
    408: Unavailable,
    429: RateLimited,
}


def facts_of(
    operation: Operation, progress: Progress, *, seen_at_s: float, code: str | None = None
) -> ErrorFacts:
    """Return what is known about an operation that ends now without an answer of its own."""
    return ErrorFacts(
        code=code,
        timestamp=datetime.fromtimestamp(seen_at_s, UTC),
        correlation_id=operation.correlation_id,
        attempts=progress.attempts,
        effect_unknown=progress.effect_unknown,
    )


def error_of(
    operation: Operation, progress: Progress, attempt: Attempt, redactor: Redactor
) -> ClientError:
    """Return the error for an operation whose last attempt was no success.

    Args:
        operation: the operation.
        progress: what was tried.
        attempt: the last attempt.
        redactor: applied to everything that the provider wrote.

    Returns:
        An error of the tree, not raised.
    """
    outcome = attempt.outcome
    title: str | None = None
    retry_after_s = attempt.retry_after_s
    if isinstance(outcome, Answer):
        problem = read_problem(outcome.body, redactor.text)
        kind = _STATUSES.get(outcome.status, _class_of(outcome.status))
        redirected = 300 <= outcome.status < 400
        code = problem.code or ("redirect_refused" if redirected else f"http_{outcome.status}")
        title = problem.title
        retry_after_s = problem.retry_after_s if retry_after_s is None else retry_after_s
        text = f"the provider answered {outcome.status}"
    elif isinstance(outcome, Failure):
        kind, code, text = _KINDS[outcome.kind]
    else:
        kind, code, text = outcome.error, outcome.code, outcome.text
        retry_after_s = outcome.retry_after_s
    facts = ErrorFacts(
        status=outcome.status,
        code=redactor.text(code),
        timestamp=datetime.fromtimestamp(attempt.seen_at_s, UTC),
        retry_after_s=retry_after_s,
        correlation_id=operation.correlation_id,
        attempts=progress.attempts,
        effect_unknown=progress.effect_unknown,
    )
    detail = f": {redactor.text(title)}" if title else ""
    tried = f" (attempt {progress.attempts})" if progress.attempts else ""
    message = f"{operation.method} {operation.route}: {redactor.text(text)}{detail}{tried}"
    return kind(message, facts)


def _class_of(status: int) -> type[ClientError]:
    if status >= 500:
        return Unavailable
    return Rejected if 300 <= status < 500 else PayloadError
