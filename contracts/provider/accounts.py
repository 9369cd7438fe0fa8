"""Accounts and their credentials: made, and taken back, by whoever runs the provider.

    python -m contracts.provider.accounts DATABASE_URL add-key ACCOUNT < secret
    python -m contracts.provider.accounts DATABASE_URL revoke-key < secret
    python -m contracts.provider.accounts DATABASE_URL add-client ACCOUNT CLIENT < secret
    python -m contracts.provider.accounts DATABASE_URL add-client-secret CLIENT < secret
    python -m contracts.provider.accounts DATABASE_URL revoke-client-secret CLIENT < secret
    python -m contracts.provider.accounts DATABASE_URL ledger

Secrets come on standard input, so that none stands in a process list. Two may be in force at once:
that is how a caller rotates without an outage.
"""

from __future__ import annotations

import json
import secrets
import sys
import time
import uuid
from collections.abc import Iterable
from typing import Any

from contracts.provider.callers import ALL_SCOPES
from contracts.provider.store import Store, digest
from contracts.provider.tables import api_keys, client_secrets, clients, ledger, refresh_tokens
from sqlalchemy import delete, insert, select, update

__all__ = [
    "add_client", "add_client_secret", "add_key", "first_refresh_token", "read_ledger",
    "revoke_client_secret", "revoke_key",
]

_LIFE_S = 2_592_000.0


def add_key(store: Store, account: str, value: str) -> None:
    """Let an API key act for an account."""
    with store.writing() as connection:
        connection.execute(delete(api_keys).where(api_keys.c.digest == digest(value)))
        connection.execute(insert(api_keys).values(digest=digest(value), account=account))


def revoke_key(store: Store, value: str) -> None:
    """Refuse an API key from now on."""
    with store.writing() as connection:
        connection.execute(
            update(api_keys).where(api_keys.c.digest == digest(value)).values(revoked_at=time.time()))


def add_client(
    store: Store, account: str, client: str, secret: str, scopes: Iterable[str] = ALL_SCOPES
) -> None:
    """Register an OAuth client of an account, with its first secret."""
    with store.writing() as connection:
        connection.execute(
            insert(clients).values(id=client, account=account, scopes=" ".join(sorted(scopes))))
    add_client_secret(store, client, secret)


def add_client_secret(store: Store, client: str, secret: str) -> None:
    """Let one more secret prove a client."""
    with store.writing() as connection:
        connection.execute(insert(client_secrets).values(digest=digest(secret), client=client))


def revoke_client_secret(store: Store, client: str, secret: str) -> None:
    """Refuse a client secret from now on."""
    mine = (client_secrets.c.digest == digest(secret)) & (client_secrets.c.client == client)
    with store.writing() as connection:
        connection.execute(update(client_secrets).where(mine).values(revoked_at=time.time()))


def first_refresh_token(
    store: Store, client: str, scopes: Iterable[str] = ALL_SCOPES, *, life_s: float = _LIFE_S
) -> str:
    """Return the first refresh token of a new family; it stands for somebody's consent."""
    token = secrets.token_urlsafe(32)
    with store.writing() as connection:
        connection.execute(insert(refresh_tokens).values(
            digest=digest(token), family=uuid.uuid4().hex, client=client,
            scope=" ".join(sorted(scopes)), until=time.time() + life_s))
    return token


def read_ledger(store: Store) -> list[dict[str, Any]]:
    """Return every effect in the order of its making."""
    return [dict(row) for row in store.rows(select(ledger).order_by(ledger.c.seq))]


def main(words: list[str]) -> int:
    """Run one command; 2 when it is none."""
    match words:
        case [url, "add-key", account]:
            add_key(Store(url), account, _secret())
        case [url, "revoke-key"]:
            revoke_key(Store(url), _secret())
        case [url, "add-client", account, client]:
            add_client(Store(url), account, client, _secret())
        case [url, "add-client-secret", client]:
            add_client_secret(Store(url), client, _secret())
        case [url, "revoke-client-secret", client]:
            revoke_client_secret(Store(url), client, _secret())
        case [url, "ledger"]:
            for line in read_ledger(Store(url)):
                print(json.dumps(line))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


def _secret() -> str:
    value = sys.stdin.readline().strip()
    if len(value) < 16:
        raise SystemExit("a secret has 16 characters or more")
    return value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
