"""Once for a key: key, answer and effect are one transaction."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from contracts.provider.problems import Refused
from contracts.provider.store import Store
from contracts.provider.tables import keys
from sqlalchemy import Connection, delete, insert, select
from starlette.responses import Response

__all__ = ["Once", "checked_key", "fingerprint"]

REPLAYED = "Idempotent-Replayed"
_FORGET_EVERY_S = 3600.0
_KEY = re.compile("[\x21-\x7e]{1,255}")


def checked_key(value: str | None) -> str:
    """Return a key that was sent.

    Raises:
        Refused: there is none, or it is none.
    """
    if value is None:
        raise Refused(400, "key-missing", "send an Idempotency-Key")
    # a structured field may come as a string in quotes
    bare = value[1:-1] if len(value) > 2 and value[0] == value[-1] == '"' else value
    if not _KEY.fullmatch(bare):
        raise Refused(400, "key-malformed", "the key must be 1 to 255 characters of visible ASCII")
    return bare


def fingerprint(method: str, path: str, body: Mapping[str, Any]) -> str:
    """Return what two requests have in common that ask for the same."""
    text = json.dumps([method, path, body], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Claim:
    account: str
    key: str


class Once:
    """Runs effects, each at most once for a key of an account.

    Args:
        store: the database.
        kept_s: how long a key is remembered, in seconds.
        now: time in seconds since the Unix epoch.
    """

    def __init__(self, store: Store, kept_s: float, now: Callable[[], float]) -> None:
        self._store, self._kept_s, self.now = store, kept_s, now
        self._under_way: set[_Claim] = set()
        self._forgot_at_s = 0.0
        self._lock = threading.Lock()

    def run(
        self, account: str, key: str, seen: str, effect: Callable[[Connection], Mapping[str, Any]]
    ) -> Response:
        """Return the answer of the effect, or the one that is kept.

        Args:
            account: whose key it is.
            key: the idempotency key.
            seen: the request's fingerprint.
            effect: does it in the transaction that it is given, and returns the answer's body.

        Raises:
            Refused: 409 while the same key is at work, 422 where it was used for something else,
                or what the effect raises.
        """
        claim = _Claim(account, key)
        with self._lock:
            if claim in self._under_way:
                raise _in_progress()
            self._under_way.add(claim)
        try:
            return self._run(claim, seen, effect)
        finally:
            with self._lock:
                self._under_way.discard(claim)

    def hold(self, account: str, key: str) -> None:
        """Let a request with this key be at work until `release`."""
        with self._lock:
            self._under_way.add(_Claim(account, key))

    def release(self, account: str) -> None:
        """End what `hold` began for an account."""
        with self._lock:
            self._under_way = {claim for claim in self._under_way if claim.account != account}

    def _forget(self, connection: Connection) -> None:
        """Forget, once an hour, the keys that have been kept long enough."""
        if self.now() - self._forgot_at_s > _FORGET_EVERY_S:
            self._forgot_at_s = self.now()
            connection.execute(delete(keys).where(keys.c.made_at < self.now() - self._kept_s))

    def _run(
        self, claim: _Claim, seen: str, effect: Callable[[Connection], Mapping[str, Any]]
    ) -> Response:
        mine = (keys.c.account == claim.account) & (keys.c.key == claim.key)
        with self._store.writing() as connection:
            # another process of the provider may be at work for this key
            if not self._store.claim(connection, "key", claim.account, claim.key):
                raise _in_progress()
            self._forget(connection)
            kept = connection.execute(select(keys).where(mine)).mappings().first()
            if kept is not None and kept["made_at"] < self.now() - self._kept_s:
                connection.execute(delete(keys).where(mine))
                kept = None
            if kept is not None:
                if kept["fingerprint"] != seen:
                    raise Refused(422, "key-reused", "the key was used for another request")
                return _answer(kept["status"], kept["body"], {REPLAYED: "true"})
            body = json.dumps(effect(connection), separators=(",", ":"))
            connection.execute(insert(keys).values(
                account=claim.account, key=claim.key, fingerprint=seen, status=201, body=body,
                made_at=self.now()))
        return _answer(201, body, {})


def _in_progress() -> Refused:
    return Refused(409, "key-in-progress", "a request with this key is at work", {"Retry-After": "1"})


def _answer(status: int, body: str, headers: Mapping[str, str]) -> Response:
    return Response(body, status, dict(headers), media_type="application/json")
