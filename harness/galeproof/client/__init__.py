"""The reference client: httpx and tenacity with deadlines, safe retries and one error tree.

It imports nothing else of galeproof, and can be used alone. `Blocking*` names are its twin for
synchronous programs.
"""

from __future__ import annotations

from galeproof.client.aio.base import ResilientClient
from galeproof.client.aio.fallback import FallbackChain, Marked, Source
from galeproof.client.aio.outbox import Outbox
from galeproof.client.aio.payments import PaymentsClient
from galeproof.client.audit import AuditEvent
from galeproof.client.blocking.base import BlockingResilientClient
from galeproof.client.blocking.fallback import BlockingFallbackChain, BlockingSource
from galeproof.client.blocking.outbox import BlockingOutbox
from galeproof.client.blocking.payments import BlockingPaymentsClient
from galeproof.client.clock import BlockingClock, BlockingSystemClock, Clock, SystemClock
from galeproof.client.errors import (
    AuthenticationFailed,
    BreakerOpen,
    BulkheadFull,
    ClientError,
    ConnectFailed,
    ConnectionReset,
    CredentialUnavailable,
    DeadlineExceeded,
    ErrorFacts,
    InvalidArgument,
    NotFound,
    NotSent,
    PayloadError,
    RateLimited,
    Rejected,
    SettingsError,
    Throttled,
    TimedOut,
    TransportError,
    Truncated,
    Unavailable,
)
from galeproof.client.identity import deadline_of
from galeproof.client.notices import Notice
from galeproof.client.outbox_store import Entry
from galeproof.client.payment import Payment, PaymentPage, Refund
from galeproof.client.sections import (
    BreakerSettings,
    BudgetSettings,
    BulkheadSettings,
    Features,
    OAuthSettings,
    RateSettings,
    ThrottleSettings,
)
from galeproof.client.settings import ClientSettings
from galeproof.client.shared import SharedPolicy

__all__ = [
    "AuditEvent",
    "AuthenticationFailed",
    "BlockingClock",
    "BlockingFallbackChain",
    "BlockingOutbox",
    "BlockingPaymentsClient",
    "BlockingResilientClient",
    "BlockingSource",
    "BlockingSystemClock",
    "BreakerOpen",
    "BreakerSettings",
    "BudgetSettings",
    "BulkheadFull",
    "BulkheadSettings",
    "ClientError",
    "ClientSettings",
    "Clock",
    "ConnectFailed",
    "ConnectionReset",
    "CredentialUnavailable",
    "DeadlineExceeded",
    "Entry",
    "ErrorFacts",
    "FallbackChain",
    "Features",
    "InvalidArgument",
    "Marked",
    "NotFound",
    "NotSent",
    "Notice",
    "OAuthSettings",
    "Outbox",
    "PayloadError",
    "Payment",
    "PaymentPage",
    "PaymentsClient",
    "RateLimited",
    "RateSettings",
    "Refund",
    "Rejected",
    "ResilientClient",
    "SettingsError",
    "SharedPolicy",
    "Source",
    "SystemClock",
    "ThrottleSettings",
    "Throttled",
    "TimedOut",
    "TransportError",
    "Truncated",
    "Unavailable",
    "deadline_of",
]
