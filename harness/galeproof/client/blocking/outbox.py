# Generated from ../aio/outbox.py by ci/unasync: do not edit.
"""The outbox: calls that need not be waited for, made later and at last, or put aside by name."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

from opentelemetry.metrics import MeterProvider

from galeproof.client.backoff import backoff_s
from galeproof.client.clock import BlockingClock, BlockingSystemClock, new_id, system_random
from galeproof.client.concurrency import blocking_in_thread
from galeproof.client.errors import (
    AuthenticationFailed,
    ClientError,
    InvalidArgument,
    NotFound,
    PayloadError,
    Rejected,
)
from galeproof.client.identity import checked_id
from galeproof.client.outbox_store import Entry, OutboxStore
from galeproof.client.telemetry import observe_outbox

__all__ = ["BlockingOutbox"]

_LOG = logging.getLogger("galeproof.client.outbox")
_DEFINITIVE = (Rejected, NotFound, InvalidArgument, PayloadError)
_SHORTEST_WAIT_S = 0.01
_LONGEST_ASKED_S = 86_400.0


class BlockingOutbox:
    """Puts calls on disk and makes them later, each with one idempotency key for all its tries.

    A process that is killed leaves its call leased; it is tried again, under the same key, once
    the lease is over. An entry is tried at least once and has one effect, as the provider knows
    the key. A definitive error, or the last try, puts it into the dead letter with its error.

    Args:
        path: the SQLite file.
        handlers: by kind, what makes the call: it is given payload and idempotency key.
        tries: tries of one entry, at least 1; each may make several attempts of its own.
        lease_s: how long one try may take, in seconds; longer than the client's deadline.
        base_s: ceiling of the first wait between two tries, in seconds.
        cap_s: ceiling of every wait of our own, in seconds; a Retry-After is waited for beside it, a
            day at most.
        clock: time; the machine's by default.
        rng: dice for the jitter; the operating system's by default.
        meter_provider: for the counts of what waits and what is dead; the global one by default.

    Raises:
        InvalidArgument: a number is out of range, or the file cannot be used.
    """

    def __init__(
        self,
        path: Path | str,
        handlers: Mapping[str, Callable[[Mapping[str, Any], str], object]],
        *,
        tries: int = 8,
        lease_s: float = 60.0,
        base_s: float = 1.0,
        cap_s: float = 300.0,
        clock: BlockingClock | None = None,
        rng: Random | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        if not isinstance(tries, int) or tries < 1:
            raise InvalidArgument("tries: must be a whole number, at least 1")
        for name, value in (("lease_s", lease_s), ("base_s", base_s), ("cap_s", cap_s)):
            if not isinstance(value, (int, float)) or not 0 < value < float("inf"):
                raise InvalidArgument(f"{name}: must be a finite number above 0")
        if cap_s < base_s:
            raise InvalidArgument("cap_s: must not be below base_s")
        self._handlers = dict(handlers)
        self._tries, self._lease_s = tries, lease_s
        self._base_s, self._cap_s = base_s, cap_s
        self._clock: BlockingClock = clock if clock is not None else BlockingSystemClock()
        self._rng = rng if rng is not None else system_random()
        self._store = OutboxStore(path)
        observe_outbox(Path(path).name, self._store, meter_provider)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        blocking_in_thread(self._store.close)

    def put(self, kind: str, payload: Mapping[str, Any], *, key: str | None = None) -> int:
        """Store a call; it is on the disk when this returns.

        Args:
            kind: names the handler.
            payload: its data, as JSON; no secrets, for the file is not encrypted.
            key: the idempotency key; a UUID4 by default. The same key and call are stored once.

        Returns:
            The entry's number.

        Raises:
            InvalidArgument: no such kind, no JSON, or the key is in use for another call.
        """
        if kind not in self._handlers:
            raise InvalidArgument(f"kind: must be one of {', '.join(sorted(self._handlers))}")
        key = checked_id("key", key if key is not None else new_id())
        due_s = self._clock.wall()
        return blocking_in_thread(
            partial(self._store.put, kind, payload, key, due_s)
        )

    def run_due(self) -> int:
        """Try every entry that is due now, oldest first; return how many were tried."""
        tried = 0
        while True:
            claim = partial(self._store.claim, self._clock.wall(), self._lease_s)
            entry = blocking_in_thread(claim)
            if entry is None:
                return tried
            tried += 1
            self._try(entry)

    def drain(self) -> None:
        """Try until no entry waits: each is done or dead then."""
        while True:
            self.run_due()
            due_s = blocking_in_thread(self._store.next_due_s)
            if due_s is None:
                return
            self._clock.sleep(max(due_s - self._clock.wall(), _SHORTEST_WAIT_S))

    def waiting(self) -> list[Entry]:
        """Return the entries that wait, oldest first."""
        return blocking_in_thread(partial(self._store.entries, "waiting"))

    def dead_letter(self) -> list[Entry]:
        """Return the entries that were given up, each with its last error."""
        return blocking_in_thread(partial(self._store.entries, "dead"))

    def revive(self, entry_id: int) -> bool:
        """Let a dead entry be tried again, under its old key; False when it is not dead."""
        return blocking_in_thread(partial(self._store.revive, entry_id, self._clock.wall()))

    def forget_done(self) -> int:
        """Delete what is done; a key put again after that is a new call to us."""
        return blocking_in_thread(self._store.forget_done)

    def _try(self, entry: Entry) -> None:
        """Make one try; a handler that breaks is a failed try, never a lost entry."""
        failure: Exception | None = None
        handler = self._handlers.get(entry.kind)
        # a try that was killed counts, and the entry that kills us must end at last
        if entry.tries > self._tries:
            text = entry.last_error or "every try was cut off"
            blocking_in_thread(partial(self._store.bury, entry, text, effect_unknown=True))
            return
        try:
            if handler is None:
                raise InvalidArgument(f"kind: there is no handler for {entry.kind!r}")
            handler(entry.payload, entry.key)
        except Exception as error:
            failure = error
        if failure is None:
            blocking_in_thread(partial(self._store.done, entry))
            return
        self._failed(entry, failure)

    def _failed(self, entry: Entry, error: Exception) -> None:
        """Repeat later, or put aside; the text of a foreign error may hold anything."""
        known = isinstance(error, ClientError)
        unknown = error.effect_unknown if isinstance(error, ClientError) else True
        # the provider is still at an earlier try, of a process that was killed perhaps
        before = entry.tries > 1 or entry.effect_unknown
        unknown |= isinstance(error, ClientError) and error.status == 409 and before
        text = f"{type(error).__name__}: {error}" if known else type(error).__name__
        definitive = isinstance(error, _DEFINITIVE) and not unknown
        # a credential can be mended while we wait
        if isinstance(error, AuthenticationFailed):
            definitive = False
        if definitive or entry.tries >= self._tries:
            _LOG.error("dead entry=%d kind=%s tries=%d error=%s", entry.id, entry.kind, entry.tries, text)
            bury = partial(self._store.bury, entry, text, effect_unknown=unknown)
            blocking_in_thread(bury)
            return
        wait_s = backoff_s(
            self._rng, entry.tries, base_s=self._base_s, factor=2.0, cap_s=self._cap_s
        )
        asked_s = error.retry_after_s if isinstance(error, ClientError) else None
        due_s = self._clock.wall() + min(asked_s or 0.0, _LONGEST_ASKED_S) + wait_s
        _LOG.warning("later entry=%d kind=%s tries=%d error=%s", entry.id, entry.kind, entry.tries, text)
        blocking_in_thread(
            partial(self._store.later, entry, text, due_s, effect_unknown=unknown)
        )
