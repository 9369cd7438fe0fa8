"""stall_after (ours): carries so many bytes, then nothing: no byte, no end.

What is held back goes on when the toxic is removed or its limit raised. Where both peers
have ended nobody is left to be stalled, and the connection is let go.
"""

from __future__ import annotations

from random import Random

from galeproof.faults.toxics._base import Attributes, Chunk, End, Plan, State, Step, ToxicType

__all__ = ["TOXIC"]


def _validate(attributes: Attributes) -> str | None:
    return "bytes must be 0 or more" if attributes["bytes"] < 0 else None


def _on_chunk(state: State, attributes: Attributes, chunk: Chunk, now_ns: int, rng: Random) -> Plan:
    room = max(0, attributes["bytes"] - state.count)
    passed, held = chunk.data[:room], chunk.data[room:]
    state.count += len(passed)
    steps = [Step(now_ns, passed, chunk.stamp_ns)] if passed else []
    if held:
        steps.append(Step(None, held, chunk.stamp_ns))
    return Plan(tuple(steps))


def _on_end(state: State, attributes: Attributes, end: End, now_ns: int) -> Plan:
    at_ns = now_ns if state.count < attributes["bytes"] else None
    return Plan((Step(at_ns, close=end),))


TOXIC = ToxicType(
    "stall_after", ("bytes",), _on_chunk, on_end=_on_end, validate=_validate, holds=True
)
