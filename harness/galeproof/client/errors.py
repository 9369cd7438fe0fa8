"""The one error tree of the client.

::

    ClientError
    |-- InvalidArgument (also ValueError)   an argument is wrong; nothing was sent
    |-- SettingsError (also ValueError)     a setting is wrong; the client was not built
    |-- TransportError
    |   |-- ConnectFailed                   DNS, refused, TLS: nothing was sent
    |   |-- TimedOut                        connect, read, write or pool timeout
    |   |-- ConnectionReset                 the connection broke before its answer was complete
    |   `-- Truncated                       the answer broke off in its body
    |-- DeadlineExceeded                    the whole operation ran out of time
    |-- RateLimited                         429
    |-- Unavailable                         408 and 5xx
    |-- AuthenticationFailed                401, 403
    |   `-- CredentialUnavailable           no usable credential: revoked, or none could be had
    |-- NotSent                             held back by this client to protect the provider or itself
    |   |-- BreakerOpen                     the circuit breaker of the dependency is open
    |   |-- BulkheadFull                    too many attempts are in flight
    |   `-- Throttled                       the rate limit, or the adaptive throttle
    |-- NotFound                            404
    |-- Rejected                            any other 4xx, and a redirect not followed
    `-- PayloadError                        an answer that cannot be read or trusted

No error holds an exception of the HTTP library: those carry the request and its headers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

__all__ = [
    "AuthenticationFailed",
    "BreakerOpen",
    "BulkheadFull",
    "ClientError",
    "ConnectFailed",
    "ConnectionReset",
    "CredentialUnavailable",
    "DeadlineExceeded",
    "ErrorFacts",
    "InvalidArgument",
    "NotFound",
    "NotSent",
    "PayloadError",
    "RateLimited",
    "Rejected",
    "SettingsError",
    "Throttled",
    "TimedOut",
    "TransportError",
    "Truncated",
    "Unavailable",
]


@dataclass(frozen=True, slots=True)
class ErrorFacts:
    """What is known about a failed operation.

    Args:
        status: the HTTP status, or None when no answer came.
        code: the provider's machine-readable code, or ours.
        timestamp: when the failure was seen (UTC).
        retry_after_s: seconds that the provider asked for, or None.
        correlation_id: the id sent with every attempt.
        attempts: attempts made, counted from 1; 0 when nothing was sent.
        effect_unknown: True when the provider may have applied the operation.
    """

    status: int | None = None
    code: str | None = None
    timestamp: datetime | None = None
    retry_after_s: float | None = None
    correlation_id: str | None = None
    attempts: int = 0
    effect_unknown: bool = False


class ClientError(Exception):
    """Root of every error that the client raises.

    Args:
        message: one line for people, free of secrets.
        facts: what is known about the failure.
    """

    def __init__(self, message: str, facts: ErrorFacts | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts if facts is not None else ErrorFacts()

    @property
    def status(self) -> int | None:
        """The HTTP status, or None when no answer came."""
        return self.facts.status

    @property
    def code(self) -> str | None:
        """The provider's machine-readable code, or ours."""
        return self.facts.code

    @property
    def timestamp(self) -> datetime | None:
        """When the failure was seen (UTC)."""
        return self.facts.timestamp

    @property
    def retry_after_s(self) -> float | None:
        """Seconds that the provider asked to wait, or None."""
        return self.facts.retry_after_s

    @property
    def correlation_id(self) -> str | None:
        """The id that was sent with every attempt."""
        return self.facts.correlation_id

    @property
    def attempts(self) -> int:
        """Attempts made; 0 when nothing was sent."""
        return self.facts.attempts

    @property
    def effect_unknown(self) -> bool:
        """True when the provider may have applied the operation."""
        return self.facts.effect_unknown

    def __reduce__(self) -> tuple[Callable[..., ClientError], tuple[()]]:
        """Keep the facts across processes (pickle)."""
        return partial(type(self), self.message, self.facts), ()


class InvalidArgument(ClientError, ValueError):
    """An argument of an operation is wrong; nothing was sent."""


class SettingsError(ClientError, ValueError):
    """A setting is wrong; the message names it and never its value."""


class TransportError(ClientError):
    """No complete answer came."""


class ConnectFailed(TransportError):
    """No connection could be made; the request was not sent."""


class TimedOut(TransportError):
    """One wait of an attempt took too long."""


class ConnectionReset(TransportError):
    """The connection broke before a complete answer."""


class Truncated(TransportError):
    """The answer broke off in its body."""


class DeadlineExceeded(ClientError):
    """The whole operation, retries and body reads included, ran out of time."""


class RateLimited(ClientError):
    """The provider answered 429."""


class Unavailable(ClientError):
    """The provider answered 408 or 5xx."""


class AuthenticationFailed(ClientError):
    """The provider answered 401 or 403."""


class CredentialUnavailable(AuthenticationFailed):
    """There is no usable credential: it was revoked or refused, or none could be had."""


class NotSent(ClientError):
    """This client held the operation back."""


class BreakerOpen(NotSent):
    """The circuit breaker is open: most recent attempts failed."""


class BulkheadFull(NotSent):
    """Too many attempts are in flight."""


class Throttled(NotSent):
    """The client's own rate, the provider's quota or the adaptive throttle held it back."""


class NotFound(ClientError):
    """The provider answered 404."""


class Rejected(ClientError):
    """The provider refused the request, or answered with a redirect that is not followed."""


class PayloadError(ClientError):
    """The answer cannot be read or does not have the promised shape."""
