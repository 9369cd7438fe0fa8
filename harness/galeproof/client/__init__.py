"""The reference client: httpx and tenacity with deadlines, safe retries and one error tree.

It imports nothing else of galeproof, and can be used alone.
"""

from __future__ import annotations

from galeproof.client.base import ResilientClient
from galeproof.client.clock import Clock, SystemClock
from galeproof.client.errors import (
    AuthenticationFailed,
    ClientError,
    ConnectFailed,
    ConnectionReset,
    DeadlineExceeded,
    ErrorFacts,
    InvalidArgument,
    NotFound,
    PayloadError,
    RateLimited,
    Rejected,
    SettingsError,
    TimedOut,
    TransportError,
    Truncated,
    Unavailable,
)
from galeproof.client.payments import Payment, PaymentPage, PaymentsClient, Refund
from galeproof.client.settings import ClientSettings

__all__ = [
    "AuthenticationFailed",
    "ClientError",
    "ClientSettings",
    "Clock",
    "ConnectFailed",
    "ConnectionReset",
    "DeadlineExceeded",
    "ErrorFacts",
    "InvalidArgument",
    "NotFound",
    "PayloadError",
    "Payment",
    "PaymentPage",
    "PaymentsClient",
    "RateLimited",
    "Refund",
    "Rejected",
    "ResilientClient",
    "SettingsError",
    "SystemClock",
    "TimedOut",
    "TransportError",
    "Truncated",
    "Unavailable",
]
