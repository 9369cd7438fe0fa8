"""The retry eligibility matrix: method x error x idempotency.

===================================  =====================  ===========  ==============
failure                              GET HEAD PUT DELETE    POST + key   no key, PATCH
===================================  =====================  ===========  ==============
connect (DNS, refused), pool         retry                  retry        retry
timeout, reset, truncated            retry                  retry        fail
408, 429, 500, 502, 503, 504         retry                  retry        fail
409 after an unknown effect          fail                   retry        fail
TLS refused, protocol, payload       fail                   fail         fail
every other status                   fail                   fail         fail
===================================  =====================  ===========  ==============
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from galeproof.client.sections import Features

__all__ = [
    "IDEMPOTENT_METHODS",
    "RETRY_KINDS",
    "RETRY_STATUSES",
    "FailureKind",
    "may_have_effect",
    "may_retry",
]

FailureKind = Literal[
    "connect", "tls", "pool", "connect_timeout", "timeout", "reset", "truncated", "protocol", "size"
]
"""How an exchange ended without a complete answer."""

IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
RETRY_KINDS = ("connect", "reset", "timeout", "truncated")
RETRY_STATUSES = (408, 429, 500, 502, 503, 504)

_NEVER_SENT = frozenset({"connect", "tls", "pool", "connect_timeout"})
_RETRY_NEVER_SENT = frozenset({"connect", "pool", "connect_timeout"})
_RETRY_AMBIGUOUS = frozenset({"timeout", "reset", "truncated"})
_NO_EFFECT_5XX = frozenset({501, 505})
# "See elsewhere" is what many say when they have done it; 307 and 308 say that they have not.
_AFTER_EFFECT = frozenset({301, 302, 303})
_ALL = Features()


def may_retry(
    failure: FailureKind | int,
    *,
    method: str,
    keyed: bool,
    effect_unknown: bool = False,
    features: Features = _ALL,
    statuses: Collection[int] = RETRY_STATUSES,
) -> bool:
    """Tell whether another attempt is allowed, budget and counts apart.

    Args:
        failure: a kind of broken exchange, or an HTTP status.
        method: the HTTP method in upper case.
        keyed: True when the request carries an idempotency key.
        effect_unknown: True when an earlier attempt may still be at work (then 409 says so).
        features: switches of the rows.
        statuses: those of the third row that are retried.

    Returns:
        True when the matrix allows a retry.
    """
    if failure in _RETRY_NEVER_SENT:
        return features.retry_connect
    keyed_post = method == "POST" and keyed
    if not (keyed_post or method in IDEMPOTENT_METHODS):
        return False
    if failure in _RETRY_AMBIGUOUS:
        return features.retry_broken
    in_progress = failure == 409 and keyed_post and effect_unknown
    return features.retry_status and (failure in statuses or in_progress)


def may_have_effect(failure: FailureKind | int, *, method: str) -> bool:
    """Tell whether the provider may have applied a request that failed so.

    Args:
        failure: a kind of broken exchange, or an HTTP status.
        method: the HTTP method in upper case.

    Returns:
        True for a mutation that was sent and has no definitive refusal.
    """
    if method in SAFE_METHODS or failure in _NEVER_SENT:
        return False
    if isinstance(failure, int):
        return (
            200 <= failure < 300
            or failure in _AFTER_EFFECT
            or (failure >= 500 and failure not in _NO_EFFECT_5XX)
        )
    return True
