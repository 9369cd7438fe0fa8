"""The history of one run: an immutable, ordered tuple of events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["WITNESSES", "Event", "History", "make_history"]

WITNESSES = ("subject", "tap", "origin", "controller", "world")


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that one witness saw.

    Attributes:
        index: Position in the history, from 0.
        lo_ns: Earliest instant, in ns since the run's start.
        hi_ns: Latest instant; equal to ``lo_ns`` unless the harness made it on a socket.
        witness: One of WITNESSES.
        kind: What happened (``op_start``, ``head``, ``answer``, ``close`` ...).
        connection: The tap's connection number, or None.
        marker: The operation's reference as that witness knew it, or None.
        data: The rest; JSON values only.
    """

    index: int
    lo_ns: int
    hi_ns: int
    witness: str
    kind: str
    connection: int | None
    marker: str | None
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class History:
    """The ordered record of one run, with its header (seed, scenario, engine, versions)."""

    header: Mapping[str, Any]
    events: tuple[Event, ...]
    _by_kind: dict[str, list[Event]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def of(self, *kinds: str) -> Iterator[Event]:
        """Yield the events of the given kinds, in order."""
        if not self._by_kind:  # every checker asks: one pass for all of them
            for event in self.events:
                self._by_kind.setdefault(event.kind, []).append(event)
        if len(kinds) == 1:
            return iter(self._by_kind.get(kinds[0], ()))
        found = (event for kind in kinds for event in self._by_kind.get(kind, ()))
        return iter(sorted(found, key=lambda event: event.index))


def make_history(
    header: Mapping[str, Any],
    raw: Iterable[tuple[int, int, str, str, int | None, str | None, Mapping[str, Any]]],
    start_ns: int = 0,
) -> History:
    """Order raw records of several witnesses on the one monotonic clock.

    Args:
        header: Facts about the whole run.
        raw: ``(lo_ns, hi_ns, witness, kind, connection, marker, data)``, any order.
        start_ns: Instant that becomes 0.

    Returns:
        The history; ties keep the order in which the records came.
    """
    ordered = sorted(raw, key=lambda item: (item[0], item[1]))
    return History(
        header=dict(header),
        events=tuple(
            Event(i, lo - start_ns, hi - start_ns, witness, kind, connection, marker, data)
            for i, (lo, hi, witness, kind, connection, marker, data) in enumerate(ordered)
        ),
    )
