"""The client's promises: as data in the shape of a galeproof profile, and for people."""

from __future__ import annotations

from typing import Any

from galeproof.client.eligibility import RETRY_KINDS
from galeproof.client.settings import ClientSettings

__all__ = ["policy_of", "summary_of"]


_ERRORS = {what: f"galeproof.client.{name}" for what, name in (
    ("timeout", "TimedOut"), ("connection", "TransportError"), ("rate_limit", "RateLimited"),
    ("auth", "AuthenticationFailed"), ("client", "Rejected"), ("not_found", "NotFound"),
    ("server", "Unavailable"), ("protocol", "PayloadError"), ("deadline", "DeadlineExceeded"),
    ("not_sent", "NotSent"))}


def policy_of(settings: ClientSettings) -> dict[str, Any]:
    """Return the policy that these settings promise, as a profile; times in seconds."""
    features = settings.features
    kinds = [
        kind
        for kind in RETRY_KINDS
        if (features.retry_connect if kind == "connect" else features.retry_broken)
    ]
    statuses = list(settings.retry_statuses) if features.retry_status else []
    policy: dict[str, Any] = {
        "max_attempts": settings.max_attempts,
        "connect_timeout_s": settings.connect_timeout_s,
        "read_timeout_s": settings.read_timeout_s,
        "deadline_s": settings.deadline_s,
        "retry_on": [*kinds, *statuses] if settings.max_attempts > 1 else [],
        "backoff": {
            "base_s": settings.backoff_base_s,
            "factor": settings.backoff_factor,
            "cap_s": settings.backoff_cap_s,
            "jitter": settings.backoff_jitter,
        },
        "idempotency_key": settings.idempotency_header,
        "correlation_id": settings.correlation_header,
        "typed_answers": True,
        "max_response_bytes": settings.max_response_bytes,
        "max_redirects": settings.max_redirects,
        "secret_reload_s": 0.0,
        "errors": dict(_ERRORS),
    }
    if settings.deadline_header is not None:
        policy["deadline_header"] = settings.deadline_header
    if features.rate_limit_headers:
        policy["rate_limit_fields"] = True
    policy |= _protection(settings)
    # a profile's limit is above 0; without one, no Retry-After is waited for
    if settings.retry_after_max_s > 0:
        policy["retry_after_max_s"] = settings.retry_after_max_s
    return policy


def _protection(settings: ClientSettings) -> dict[str, Any]:
    """What keeps a provider that is down from the client's load."""
    features = settings.features
    found: dict[str, Any] = {"retry_budget": True} if features.retry_budget else {}
    if features.breaker:
        # the end of an open period is spread by a tenth
        found["breaker"] = {"calls": settings.breaker.calls, "reset_s": 1.1 * settings.breaker.open_s,
                            "probes": settings.breaker.probes}
    if features.throttle:
        found["throttle"] = {"window_s": settings.throttle.window_s}
    if features.bulkhead:
        found["bulkhead"] = {"limit": settings.bulkhead.limit, "per_route": settings.bulkhead.per_route}
    return found


def summary_of(settings: ClientSettings) -> str:
    """Return the policy as a table in Markdown, free of secrets."""
    off = "switched off"
    features, breaker, budget = settings.features, settings.breaker, settings.retry_budget
    bulkhead, rate, throttle = settings.bulkhead, settings.rate, settings.throttle
    policy = policy_of(settings)
    retried = ", ".join(map(str, policy["retry_on"])) or "nothing"
    rows = [
        ("Provider", settings.base_url),
        ("Profile", settings.profile),
        (
            "Timeouts",
            f"connect {settings.connect_timeout_s:g} s, read {settings.read_timeout_s:g} s, "
            f"write {settings.write_timeout_s:g} s, pool {settings.pool_timeout_s:g} s",
        ),
        ("Deadline", f"{settings.deadline_s:g} s for the whole operation, passed on as "
                     f"`{settings.deadline_header or '(no header)'}`"),
        ("Attempts", f"at most {settings.max_attempts}, for: {retried}"),
        ("Mutations", f"a POST carries `{settings.idempotency_header}`, one key for all attempts; "
                      "without a key only what was never sent is repeated"),
        (
            "Backoff",
            f"{settings.backoff_base_s:g} s x {settings.backoff_factor:g} up to "
            f"{settings.backoff_cap_s:g} s, {settings.backoff_jitter} jitter",
        ),
        ("Retry-After", f"obeyed up to {settings.retry_after_max_s:g} s, else the operation fails"
         if features.retry_after else "not waited for: the operation fails"),
        ("Retry budget", f"{budget.capacity:g} tokens, {budget.cost:g} a retry"
         if features.retry_budget else off),
        ("Circuit breaker", f"opens at {breaker.ratio:.0%} of the last {breaker.calls} attempts, for "
         f"{breaker.open_s:g} s, then {breaker.probes} probes" if features.breaker else off),
        ("Bulkhead", f"{bulkhead.limit} in flight, {bulkhead.per_route} a route"
         if features.bulkhead else off),
        ("Own rate", f"{rate.per_s:g} a second, {rate.burst} at once" if rate.per_s else "none"),
        ("Adaptive throttle", f"over {throttle.window_s:g} s, ratio {throttle.ratio:g}"
         if features.throttle else off),
        ("Answers", f"at most {settings.max_response_bytes} bytes, {settings.max_redirects} redirects "
                    "within the origin"),
        ("Credential", _credential(settings)),
    ]  # fmt: skip
    lines = ["| What | Promise |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows)]
    return "\n".join(lines) + "\n"


def _credential(settings: ClientSettings) -> str:
    oauth = settings.oauth
    if oauth is not None:
        grant = "refresh token" if oauth.refresh_token or oauth.refresh_token_file else "client credentials"
        return f"OAuth 2.0, {grant}, scopes: {' '.join(oauth.scopes) or 'the default'}"
    for name in ("api_key_file", "api_key_env", "api_key_callback"):
        if getattr(settings, name) is not None:
            return f"bearer, from `{name}`, rotation picked up"
    return "bearer, a fixed value"
