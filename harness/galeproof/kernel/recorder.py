"""The recorder: collects raw events of one process, to be ordered later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from galeproof.kernel.clock import now_ns

__all__ = ["RawEvent", "Recorder"]

RawEvent = tuple[int, int, str, str, int | None, str | None, dict[str, Any]]


class Recorder:
    """Hands every event to a sink. Thread-safe as far as the sink is (list.append is)."""

    def __init__(self, sink: Callable[[RawEvent], object]) -> None:
        self._sink = sink

    def add(
        self,
        witness: str,
        kind: str,
        connection: int | None = None,
        marker: str | None = None,
        /,
        *,
        lo_ns: int | None = None,
        hi_ns: int | None = None,
        **data: Any,
    ) -> None:
        """Record one event.

        Args:
            witness: Who saw it.
            kind: What happened.
            connection: The tap's connection number.
            marker: The operation's reference.
            lo_ns: Earliest instant (CLOCK_MONOTONIC); now if left out.
            hi_ns: Latest instant; ``lo_ns``, else now, if left out.
            data: The rest, JSON values.
        """
        now = now_ns()
        lo = now if lo_ns is None else lo_ns
        hi = lo if hi_ns is None else hi_ns
        self._sink((lo, hi, witness, kind, connection, marker, data))
