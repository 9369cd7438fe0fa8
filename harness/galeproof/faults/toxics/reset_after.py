"""reset_after (ours): carries so many bytes, then both sides see RST."""

from __future__ import annotations

from random import Random

from galeproof.faults.toxics._base import Attributes, Chunk, End, Plan, State, Step, ToxicType

__all__ = ["TOXIC"]


def _validate(attributes: Attributes) -> str | None:
    return "bytes must be 0 or more" if attributes["bytes"] < 0 else None


def _on_start(state: State, attributes: Attributes, now_ns: int) -> Plan:
    # 0 bytes: at once; and so does a live connection that is past a lowered limit.
    if state.count < attributes["bytes"]:
        return Plan()
    return Plan((Step(now_ns, close=End.RESET),))


def _on_chunk(state: State, attributes: Attributes, chunk: Chunk, now_ns: int, rng: Random) -> Plan:
    limit = attributes["bytes"]
    data = chunk.data[: max(0, limit - state.count)]
    state.count += len(data)
    met = End.RESET if state.count >= limit else None
    return Plan((Step(now_ns, data, chunk.stamp_ns, close=met),))


TOXIC = ToxicType("reset_after", ("bytes",), _on_chunk, on_start=_on_start, validate=_validate)
