"""forward_close (ours): leaves data alone and hands the kind of its end on.

Toxiproxy closes both directions where one ends, and turns a reset into a close. Under this
toxic a half-close stays one (``half_close`` not 0), a reset stays one (``reset`` not 0).
"""

from __future__ import annotations

from galeproof.faults.toxics._base import Attributes, End, Plan, State, Step, ToxicType
from galeproof.faults.toxics.noop import TOXIC as _NOOP

__all__ = ["TOXIC"]


def _on_end(state: State, attributes: Attributes, end: End, now_ns: int) -> Plan:
    if end is End.CLOSE and attributes["half_close"]:
        end = End.HALF
    elif end is End.LOST and attributes["reset"]:
        end = End.RESET
    return Plan((Step(now_ns, close=end),))


TOXIC = ToxicType("forward_close", ("half_close", "reset"), _NOOP.on_chunk, on_end=_on_end)
