"""slow_close: leaves data alone and holds the end of the stream back."""

from __future__ import annotations

from galeproof.faults.toxics._base import Attributes, End, Plan, State, Step, ToxicType
from galeproof.faults.toxics.noop import TOXIC as _NOOP

__all__ = ["TOXIC"]

_MS = 1_000_000


def _on_end(state: State, attributes: Attributes, end: End, now_ns: int) -> Plan:
    return Plan((Step(now_ns + attributes["delay"] * _MS, close=end),))


TOXIC = ToxicType("slow_close", ("delay",), _NOOP.on_chunk, on_end=_on_end)
