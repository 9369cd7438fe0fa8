"""The outbox on disk: one SQLite file, safe for several processes and against kill -9."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from galeproof.client.errors import InvalidArgument

__all__ = ["Entry", "EntryState", "OutboxStore"]

EntryState = Literal["waiting", "done", "dead"]
_SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'dead')),
    tries INTEGER NOT NULL DEFAULT 0,
    due_s REAL NOT NULL,
    leased_until_s REAL NOT NULL DEFAULT 0,
    last_error TEXT,
    effect_unknown INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS outbox_due ON outbox (state, due_s);
"""
_COLUMNS = "id, kind, payload, key, state, tries, due_s, last_error, effect_unknown"
_LONGEST_ERROR = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One call that waits to be made, was made, or was given up.

    Args:
        id: its number, in the order of putting.
        kind: which handler makes it.
        payload: the handler's data.
        key: the idempotency key, the same on every try.
        state: waiting, done or dead.
        tries: how often it was begun.
        due_s: when it may be tried, in seconds since the Unix epoch.
        last_error: why the last try failed, or None.
        effect_unknown: True when a try may have had its effect without our knowing.
    """

    id: int
    kind: str
    payload: Mapping[str, Any]
    key: str
    state: EntryState
    tries: int
    due_s: float
    last_error: str | None
    effect_unknown: bool


class OutboxStore:
    """Entries in a file; every change is on the disk when its method returns.

    Args:
        path: the file; it is made when it is missing.

    Raises:
        InvalidArgument: the file cannot be used.
    """

    def __init__(self, path: Path | str) -> None:
        self._lock = threading.Lock()
        opened = None
        with contextlib.suppress(sqlite3.Error, ValueError):
            opened = _opened(path)
        if opened is None:
            raise InvalidArgument("path: cannot be used as an SQLite file")
        self._db = opened

    def put(self, kind: str, payload: Mapping[str, Any], key: str, due_s: float) -> int:
        """Store a call; a key that is there already stores nothing and returns that entry's id.

        Raises:
            InvalidArgument: the payload is no JSON, or the key is in use for another call.
        """
        problem = None
        try:
            text = json.dumps(dict(payload), allow_nan=False, sort_keys=True)
        except (TypeError, ValueError, RecursionError):
            problem = "payload: cannot be written as JSON"
        if problem is not None:
            raise InvalidArgument(problem)
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            found = self._db.execute(
                "SELECT id, kind, payload FROM outbox WHERE key = ?", (key,)
            ).fetchone()
            if found is None:
                cursor = self._db.execute(
                    "INSERT INTO outbox (kind, payload, key, due_s) VALUES (?, ?, ?, ?)",
                    (kind, text, key, due_s),
                )
                return int(cursor.lastrowid or 0)
        if (found[1], found[2]) != (kind, text):
            raise InvalidArgument("key: is in use for another call")
        return int(found[0])

    def claim(self, now_s: float, lease_s: float) -> Entry | None:
        """Take the oldest entry that is due, for `lease_s` seconds; None when there is none.

        The try is counted before it is made: a call that kills the process ends in the dead
        letter too.
        """
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            row = self._db.execute(
                "UPDATE outbox SET tries = tries + 1, leased_until_s = ? WHERE id = ("
                " SELECT id FROM outbox WHERE state = 'waiting' AND due_s <= ?"
                " AND leased_until_s <= ? ORDER BY due_s, id LIMIT 1)"
                f" RETURNING {_COLUMNS}",
                (now_s + lease_s, now_s, now_s),
            ).fetchone()
        return None if row is None else _entry(row)

    def done(self, entry: Entry) -> None:
        """Note that an entry's effect is there."""
        self._set(entry, "state = 'done', leased_until_s = 0", ())

    def later(self, entry: Entry, error: str, due_s: float, *, effect_unknown: bool) -> None:
        """Note a failed try, to be repeated at `due_s`."""
        self._set(
            entry,
            "due_s = ?, leased_until_s = 0, last_error = ?, effect_unknown = effect_unknown | ?",
            (due_s, error[:_LONGEST_ERROR], int(effect_unknown)),
        )

    def bury(self, entry: Entry, error: str, *, effect_unknown: bool) -> None:
        """Put an entry into the dead letter, with its last error."""
        self._set(
            entry,
            "state = 'dead', leased_until_s = 0, last_error = ?, effect_unknown = effect_unknown | ?",
            (error[:_LONGEST_ERROR], int(effect_unknown)),
        )

    def revive(self, entry_id: int, due_s: float) -> bool:
        """Let a dead entry be tried again, under its old key; False when it is not dead."""
        with self._lock, self._db:
            cursor = self._db.execute(
                "UPDATE outbox SET state = 'waiting', tries = 0, due_s = ?"
                " WHERE id = ? AND state = 'dead'",
                (due_s, entry_id),
            )
        return cursor.rowcount == 1

    def entries(self, state: EntryState) -> list[Entry]:
        """Return the entries in a state, oldest first."""
        with self._lock:
            rows = self._db.execute(
                f"SELECT {_COLUMNS} FROM outbox WHERE state = ? ORDER BY id", (state,)
            ).fetchall()
        return [_entry(row) for row in rows]

    def counts(self) -> dict[str, int] | None:
        """Return how many entries are in each state; None once the file is closed."""
        with self._lock, contextlib.suppress(sqlite3.ProgrammingError):
            return dict(self._db.execute("SELECT state, count(*) FROM outbox GROUP BY state"))
        return None

    def next_due_s(self) -> float | None:
        """Return when the next entry may be claimed; None when none waits."""
        with self._lock:
            row = self._db.execute(
                "SELECT min(max(due_s, leased_until_s)) FROM outbox WHERE state = 'waiting'"
            ).fetchone()
        return None if row[0] is None else float(row[0])

    def forget_done(self) -> int:
        """Delete what is done, and with it the protection of its keys; return how many."""
        with self._lock, self._db:
            return self._db.execute("DELETE FROM outbox WHERE state = 'done'").rowcount

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _set(self, entry: Entry, change: str, values: tuple[object, ...]) -> None:
        # A try whose lease ran out says nothing any more when another one has begun.
        with self._lock, self._db:
            self._db.execute(
                f"UPDATE outbox SET {change} WHERE id = ? AND tries = ? AND state = 'waiting'",
                (*values, entry.id, entry.tries),
            )


def _entry(row: tuple[Any, ...]) -> Entry:
    number, kind, payload, key, state, tries, due_s, last_error, unknown = row
    return Entry(number, kind, json.loads(payload), key, state, tries, due_s, last_error, bool(unknown))


def _opened(path: Path | str) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        # An entry that was taken must survive the machine, not only the process.
        db.execute("PRAGMA synchronous = FULL")
        db.executescript(_SCHEMA)
    except sqlite3.Error:
        db.close()
        raise
    return db
