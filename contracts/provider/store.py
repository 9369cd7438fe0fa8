"""The database: SQLite or PostgreSQL, and its transactions."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from typing import Any

from contracts.provider.tables import metadata
from sqlalchemy import (
    Connection,
    Engine,
    RowMapping,
    StaticPool,
    create_engine,
    event,
    func,
    make_url,
    select,
)

__all__ = ["Store", "digest"]

_WAIT_S = 5.0


def digest(value: str) -> str:
    """Return what is kept of a secret; it is long and random, so that a plain hash is enough."""
    return hashlib.sha256(value.encode()).hexdigest()


class Store:
    """Transactions on one database; safe between threads.

    Args:
        url: SQLAlchemy's; the tables are made where they are missing.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self._sqlite = self.engine.dialect.name == "sqlite"
        # SQLite has one writer; its own waiting is polling, and unfair
        self._turn = threading.Lock()
        metadata.create_all(self.engine)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection for reads; each sees what is committed."""
        with self._turn_of_memory(), self.engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give one transaction: committed at the end, rolled back by an exception."""
        with self._turn if self._sqlite else contextlib.nullcontext():
            options = {"writes": True}
            with self.engine.connect().execution_options(**options) as connection, connection.begin():
                yield connection

    def claim(self, connection: Connection, *words: str) -> bool:
        """Take hold of a name until the transaction ends; False when another one has it.

        PostgreSQL only: the hold ends with its connection, so that a killed process leaves none.
        SQLite has one writer at a time, for which everybody waits.
        """
        if self._sqlite:
            return True
        number = int.from_bytes(hashlib.sha256("\0".join(words).encode()).digest()[:8], signed=True)
        return bool(connection.scalar(select(func.pg_try_advisory_xact_lock(number))))

    def rows(self, statement: Any) -> list[RowMapping]:
        """Return what a query finds."""
        with self.reading() as connection:
            return list(connection.execute(statement).mappings())

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def _turn_of_memory(self) -> contextlib.AbstractContextManager[Any]:
        # a database in memory has one connection, which a writer may hold
        memory = isinstance(self.engine.pool, StaticPool)
        return self._turn if memory else contextlib.nullcontext()


def _engine(url: str) -> Engine:
    parts = make_url(url)
    if parts.get_backend_name() == "postgresql":
        return create_engine(
            parts.set(drivername="postgresql+psycopg"), hide_parameters=True, pool_size=20,
            max_overflow=20, pool_timeout=_WAIT_S, pool_pre_ping=True,
            connect_args={"connect_timeout": round(_WAIT_S)},
        )
    more: dict[str, Any] = {"pool_size": 20, "max_overflow": 20, "pool_timeout": _WAIT_S}
    if parts.database in (None, "", ":memory:"):
        more = {"poolclass": StaticPool}
    engine = create_engine(
        parts, hide_parameters=True, connect_args={"check_same_thread": False, "timeout": _WAIT_S}, **more)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, record: object) -> None:
    """Leave transactions to us: Python's module would begin them too late."""
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
