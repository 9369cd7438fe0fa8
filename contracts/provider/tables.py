"""The tables. Credentials are kept as SHA-256 digests only: the database holds none that can be sent."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, String, Table, Text

__all__ = [
    "access_tokens", "api_keys", "client_secrets", "clients", "keys", "ledger", "metadata", "payments",
    "refresh_tokens", "refunds",
]

metadata = MetaData()
# SQLite counts up in INTEGER only
_Number = BigInteger().with_variant(Integer, "sqlite")

payments = Table(
    "payments", metadata,
    Column("seq", _Number, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("account", String(64), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String(16), nullable=False),
    Column("reference", String(200), nullable=False),
    Column("created_at", String(40), nullable=False),
    Index("payments_of_account", "account", "seq"),
)
refunds = Table(
    "refunds", metadata,
    Column("id", String(64), primary_key=True),
    Column("payment_id", String(64), nullable=False, index=True),
    Column("amount", BigInteger, nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", String(40), nullable=False),
)
# key and answer, written in the transaction of the effect
keys = Table(
    "idempotency_keys", metadata,
    Column("account", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("made_at", Float, nullable=False, index=True),
)
# what was done, in order; nothing forbids a second effect of a key, so that one would be seen
ledger = Table(
    "ledger", metadata,
    Column("seq", _Number, primary_key=True, autoincrement=True),
    Column("account", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("key", String(255), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("at", Float, nullable=False),
)
api_keys = Table(
    "api_keys", metadata,
    Column("digest", String(64), primary_key=True),
    Column("account", String(64), nullable=False),
    Column("revoked_at", Float),
)
clients = Table(
    "oauth_clients", metadata,
    Column("id", String(64), primary_key=True),
    Column("account", String(64), nullable=False),
    Column("scopes", Text, nullable=False),
)
client_secrets = Table(
    "oauth_client_secrets", metadata,
    Column("digest", String(64), primary_key=True),
    Column("client", String(64), nullable=False),
    Column("revoked_at", Float),
)
refresh_tokens = Table(
    "refresh_tokens", metadata,
    Column("digest", String(64), primary_key=True),
    Column("family", String(64), nullable=False, index=True),
    Column("client", String(64), nullable=False),
    Column("scope", Text, nullable=False),
    Column("until", Float, nullable=False),
    Column("used_at", Float),
    Column("successor", String(64)),
    Column("revoked_at", Float),
)
access_tokens = Table(
    "access_tokens", metadata,
    Column("digest", String(64), primary_key=True),
    Column("family", String(64), index=True),
    Column("client", String(64), nullable=False),
    Column("account", String(64), nullable=False),
    Column("scope", Text, nullable=False),
    Column("until", Float, nullable=False),
    Column("revoked_at", Float),
)
