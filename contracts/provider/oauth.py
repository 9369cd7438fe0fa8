"""The token endpoint and revocation (RFC 6749, RFC 7009), with refresh tokens that rotate.

A refresh token is used once. Used again it was stolen, or its thief was here first: its whole family
is revoked. One case is not theft: the answer was lost, and the client sends the same request again.
So for `leeway_s`, and only while the successor is unused, the successor is replaced by another one.
"""

from __future__ import annotations

import base64
import binascii
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from contracts.provider.store import Store, digest
from contracts.provider.tables import access_tokens, client_secrets, clients, refresh_tokens
from sqlalchemy import Connection, RowMapping, delete, insert, select, update
from starlette.responses import JSONResponse, Response

__all__ = ["Authority", "OAuthRefused"]

_LOG = logging.getLogger("payments_api.oauth")
_SWEEP_EVERY_S = 3600.0
_FRESH = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class OAuthRefused(Exception):
    """A request that is answered with an error document of RFC 6749, 5.2."""

    def __init__(self, code: str, status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(code)
        self.code, self.status, self.headers = code, status, dict(headers or {})

    def answer(self) -> Response:
        """Return the answer."""
        return JSONResponse({"error": self.code}, self.status, {**_FRESH, **self.headers})


@dataclass(frozen=True, slots=True)
class _Client:
    id: str
    account: str
    scopes: frozenset[str]


class Authority:
    """Issues tokens, rotates them, and takes them back.

    Args:
        store: the database.
        access_s: life of an access token, in seconds.
        refresh_s: life of an unused refresh token, in seconds.
        leeway_s: how long a lost answer may be asked for again, in seconds.
        now: time in seconds since the Unix epoch.
    """

    def __init__(
        self, store: Store, *, access_s: float, refresh_s: float, leeway_s: float,
        now: Callable[[], float],
    ) -> None:
        self._store, self._now = store, now
        self._access_s, self._refresh_s, self._leeway_s = access_s, refresh_s, leeway_s
        self._swept_at_s = 0.0

    def token(self, authorization: str | None, form: Mapping[str, str]) -> Response:
        """Answer the token endpoint.

        Raises:
            OAuthRefused: no token for this request.
        """
        with self._store.writing() as connection:
            client = self._client(connection, authorization, form)
            self._sweep(connection)
            grant = form.get("grant_type")
            if grant == "client_credentials":
                answer: dict[str, Any] | None = self._issued(connection, client, _scope(client, form), None)
            elif grant == "refresh_token":
                answer = self._refreshed(connection, client, form)
            else:
                raise OAuthRefused("unsupported_grant_type")
        # a refusal that has revoked a family must be committed, so it is raised out here
        if answer is None:
            raise OAuthRefused("invalid_grant")
        return JSONResponse(answer, 200, _FRESH)

    def revoke(self, authorization: str | None, form: Mapping[str, str]) -> Response:
        """Take back a token of the client: an access token, or a refresh token and its family.

        Raises:
            OAuthRefused: the client is unknown, or names no token.
        """
        with self._store.writing() as connection:
            client = self._client(connection, authorization, form)
            if not form.get("token"):
                raise OAuthRefused("invalid_request")
            seen = digest(form["token"])
            row = _one(connection, refresh_tokens, seen)
            if row is not None and row["client"] == client.id:
                self._revoke_family(connection, row["family"])
            connection.execute(
                update(access_tokens)
                .where((access_tokens.c.digest == seen) & (access_tokens.c.client == client.id))
                .values(revoked_at=self._now()))
        # an unknown token is no error: it is not valid, which was all that was asked for
        return Response(status_code=200, headers=_FRESH)

    def _refreshed(
        self, connection: Connection, client: _Client, form: Mapping[str, str]
    ) -> dict[str, Any] | None:
        """Return the next tokens of a family, None where it gets none."""
        row = _one(connection, refresh_tokens, digest(form.get("refresh_token", "")), locked=True)
        if row is None or row["client"] != client.id:
            return None
        if row["revoked_at"] is not None or row["until"] <= self._now():
            return None
        if row["used_at"] is not None and not self._was_lost(connection, row):
            _LOG.warning("refresh token used twice: family revoked, client=%s", client.id)
            self._revoke_family(connection, row["family"])
            return None
        asked = form["scope"].split() if form.get("scope") else row["scope"].split()
        if not set(asked) <= set(row["scope"].split()):
            raise OAuthRefused("invalid_scope")
        fresh = secrets.token_urlsafe(32)
        connection.execute(insert(refresh_tokens).values(
            digest=digest(fresh), family=row["family"], client=client.id, scope=row["scope"],
            until=self._now() + self._refresh_s))
        connection.execute(
            update(refresh_tokens).where(refresh_tokens.c.digest == row["digest"])
            .values(used_at=row["used_at"] or self._now(), successor=digest(fresh)))
        answer = self._issued(connection, client, " ".join(asked), row["family"])
        return {**answer, "refresh_token": fresh}

    def _was_lost(self, connection: Connection, row: RowMapping) -> bool:
        """Tell whether a used token is sent again for its lost answer; then take the successor back."""
        if self._now() - row["used_at"] > self._leeway_s or not self._leeway_s:
            return False
        successor = _one(connection, refresh_tokens, row["successor"], locked=True)
        if successor is None or successor["used_at"] is not None or successor["revoked_at"] is not None:
            return False
        connection.execute(
            update(refresh_tokens).where(refresh_tokens.c.digest == row["successor"])
            .values(used_at=self._now() - self._leeway_s - 1))
        return True

    def _issued(
        self, connection: Connection, client: _Client, scope: str, family: str | None
    ) -> dict[str, Any]:
        token = secrets.token_urlsafe(32)
        connection.execute(insert(access_tokens).values(
            digest=digest(token), family=family, client=client.id, account=client.account,
            scope=scope, until=self._now() + self._access_s))
        return {"access_token": token, "token_type": "Bearer", "expires_in": self._access_s, "scope": scope}

    def _sweep(self, connection: Connection) -> None:
        """Forget, once an hour, the tokens that are over: an unknown one is refused all the same."""
        now = self._now()
        if now - self._swept_at_s > _SWEEP_EVERY_S:
            self._swept_at_s = now
            for table in (access_tokens, refresh_tokens):
                connection.execute(delete(table).where(table.c.until <= now))

    def _revoke_family(self, connection: Connection, family: str) -> None:
        for table in (refresh_tokens, access_tokens):
            connection.execute(
                update(table).where((table.c.family == family) & table.c.revoked_at.is_(None))
                .values(revoked_at=self._now()))

    def _client(
        self, connection: Connection, authorization: str | None, form: Mapping[str, str]
    ) -> _Client:
        """Return the client that proves who it is, in the header or in the body."""
        if authorization is not None:
            if "client_secret" in form:
                raise OAuthRefused("invalid_request")
            name, secret = _basic(authorization)
        else:
            name, secret = form.get("client_id", ""), form.get("client_secret", "")
        if not name.isprintable():  # PostgreSQL takes no NUL
            name = ""
        held = client_secrets.c
        row = connection.execute(select(clients).where(
            (clients.c.id == name)
            & clients.c.id.in_(select(held.client).where(
                (held.digest == digest(secret)) & held.revoked_at.is_(None)))
        )).mappings().first()
        if row is None:
            raise OAuthRefused("invalid_client", 401, {"WWW-Authenticate": 'Basic realm="payments"'})
        return _Client(row["id"], row["account"], frozenset(row["scopes"].split()))


def _scope(client: _Client, form: Mapping[str, str]) -> str:
    asked = set(form.get("scope", "").split()) or client.scopes
    if not asked <= client.scopes:
        raise OAuthRefused("invalid_scope")
    return " ".join(sorted(asked))


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, value = authorization.partition(" ")
    try:
        if scheme.lower() == "basic":
            name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
            return unquote_plus(name), unquote_plus(secret)
    except (binascii.Error, ValueError):
        pass
    raise OAuthRefused("invalid_client", 401, {"WWW-Authenticate": 'Basic realm="payments"'})


def _one(connection: Connection, table: Any, seen: str, *, locked: bool = False) -> RowMapping | None:
    query = select(table).where(table.c.digest == seen)
    return connection.execute(query.with_for_update() if locked else query).mappings().first()
