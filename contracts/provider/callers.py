"""Who calls: API keys and access tokens, and the rate that an account has."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

from contracts.provider.problems import Refused
from contracts.provider.store import Store, digest
from contracts.provider.tables import access_tokens, api_keys
from sqlalchemy import select

__all__ = ["ALL_SCOPES", "Caller", "Quota", "Rates", "caller_of"]

ALL_SCOPES = frozenset({"payments:read", "payments:write", "refunds:write"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request it is. Keys and payments belong to the account, not to one of its credentials:
    a caller that has rotated its secret must find what it did with the old one."""

    account: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of an account's rate: `left` requests now, `wait_s` until there is one more."""

    ok: bool
    left: int
    wait_s: float


class Rates:
    """One bucket an account, in this process.

    Args:
        per_s: requests a second that come back.
        burst: the most that a bucket holds.
        monotonic: time in seconds.
    """

    def __init__(self, per_s: float, burst: int, monotonic: Callable[[], float]) -> None:
        self._per_s, self._burst, self._monotonic = per_s, burst, monotonic
        self._held: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, account: str) -> Quota:
        """Take one request out of the account's bucket, where there is one."""
        now_s = self._monotonic()
        with self._lock:
            left, since_s = self._held.get(account, (float(self._burst), now_s))
            left = min(self._burst, left + (now_s - since_s) * self._per_s)
            ok = left >= 1
            left -= 1 if ok else 0
            self._held[account] = left, now_s
        return Quota(ok, int(left), max(0.0, 1 - left) / self._per_s)

    def drain(self, account: str, wait_s: float) -> None:
        """Leave the account nothing for `wait_s` seconds."""
        with self._lock:
            self._held[account] = 1 - wait_s * self._per_s, self._monotonic()

    def refill(self, account: str) -> None:
        """Give the account its whole bucket back."""
        with self._lock:
            self._held.pop(account, None)

    def headers(self, quota: Quota) -> dict[str, str]:
        """Return the RateLimit fields (draft-ietf-httpapi-ratelimit-headers-10)."""
        window_s = max(1, math.ceil(self._burst / self._per_s))
        found = {
            "RateLimit-Policy": f'"account";q={self._burst};w={window_s}',
            "RateLimit": f'"account";r={quota.left};t={max(1, math.ceil(quota.wait_s))}',
        }
        if not quota.ok:
            found["Retry-After"] = str(max(1, math.ceil(quota.wait_s)))
        return found


def caller_of(store: Store, authorization: str | None, now_s: float) -> Caller:
    """Return who sent this Authorization header.

    Raises:
        Refused: nobody that we know.
    """
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not value.strip():
        raise Refused(401, "credential-missing", "send Authorization: Bearer",
                      {"WWW-Authenticate": 'Bearer realm="payments"'})
    seen = digest(value.strip())
    with store.reading() as connection:
        key = connection.execute(select(api_keys).where(api_keys.c.digest == seen)).mappings().first()
        token = connection.execute(
            select(access_tokens).where(access_tokens.c.digest == seen)).mappings().first()
    if key is not None and key["revoked_at"] is None:
        return Caller(key["account"], ALL_SCOPES)
    if token is not None and token["revoked_at"] is None and now_s < token["until"]:
        return Caller(token["account"], frozenset(token["scope"].split()))
    raise Refused(401, "credential-refused", "the credential is unknown, expired or revoked",
                  {"WWW-Authenticate": 'Bearer realm="payments", error="invalid_token"'})
