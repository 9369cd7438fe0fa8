"""reset_peer: waits for the first chunk or the end, then a while, then resets."""

from __future__ import annotations

from random import Random

from galeproof.faults.toxics._base import Attributes, Chunk, Plan, State, Step, ToxicType

__all__ = ["TOXIC"]

_MS = 1_000_000


def _on_end(state: State, attributes: Attributes, now_ns: int) -> Plan:
    return Plan((Step(now_ns + attributes["timeout"] * _MS, close=True),))


def _on_chunk(state: State, attributes: Attributes, chunk: Chunk, now_ns: int, rng: Random) -> Plan:
    return _on_end(state, attributes, now_ns)


TOXIC = ToxicType(
    "reset_peer", ("timeout",), _on_chunk, on_end=_on_end, resets=True, uninterruptible=True
)
