"""The client's promises as data, in the shape of a galeproof profile."""

from __future__ import annotations

from typing import Any

from galeproof.client.eligibility import RETRY_KINDS, RETRY_STATUSES
from galeproof.client.settings import ClientSettings

__all__ = ["policy_of"]


def policy_of(settings: ClientSettings) -> dict[str, Any]:
    """Return the policy that these settings promise; times in seconds."""
    return {
        "max_attempts": settings.max_attempts,
        "connect_timeout_s": settings.connect_timeout_s,
        "read_timeout_s": settings.read_timeout_s,
        "deadline_s": settings.deadline_s,
        "retry_on": [*RETRY_KINDS, *RETRY_STATUSES],
        "backoff": {
            "base_s": settings.backoff_base_s,
            "factor": settings.backoff_factor,
            "cap_s": settings.backoff_cap_s,
            "jitter": "full",
        },
        "retry_after_max_s": settings.retry_after_max_s,
        "idempotency_key": settings.idempotency_header,
        "correlation_id": settings.correlation_header,
    }
