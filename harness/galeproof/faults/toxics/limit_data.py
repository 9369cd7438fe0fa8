"""limit_data: closes as soon as so many bytes have passed."""

from __future__ import annotations

from random import Random

from galeproof.faults.toxics._base import Attributes, Chunk, End, Plan, State, Step, ToxicType

__all__ = ["TOXIC"]


def _on_chunk(state: State, attributes: Attributes, chunk: Chunk, now_ns: int, rng: Random) -> Plan:
    limit = attributes["bytes"]
    data = chunk.data[: max(0, limit - state.count)]
    state.count += len(data)
    met = End.CLOSE if state.count >= limit else None
    return Plan((Step(now_ns, data, chunk.stamp_ns, close=met),))


TOXIC = ToxicType("limit_data", ("bytes",), _on_chunk)
