"""reset_peer: waits for the first chunk or the end, then a while, then resets."""

from __future__ import annotations

from random import Random

from galeproof.faults.toxics._base import Attributes, Chunk, End, Plan, State, Step, ToxicType

__all__ = ["TOXIC"]

_MS = 1_000_000


def _on_end(state: State, attributes: Attributes, end: End, now_ns: int) -> Plan:
    # A plain close: its sockets were made to reset when the connection began, or were not.
    return Plan((Step(now_ns + attributes["timeout"] * _MS, close=End.CLOSE),))


def _on_chunk(state: State, attributes: Attributes, chunk: Chunk, now_ns: int, rng: Random) -> Plan:
    return _on_end(state, attributes, End.CLOSE, now_ns)


TOXIC = ToxicType(
    "reset_peer", ("timeout",), _on_chunk, on_end=_on_end, resets=True, uninterruptible=True
)
