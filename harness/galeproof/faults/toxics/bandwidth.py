"""bandwidth: bytes leave at no more than so many kilobytes (1000 bytes) a second."""

from __future__ import annotations

from random import Random

from galeproof.faults.toxics._base import Attributes, Chunk, Plan, State, Step, ToxicType

__all__ = ["TOXIC"]

_MS = 1_000_000
_TICK_NS = 100 * _MS


def _validate(attributes: Attributes) -> str | None:
    return "rate must be 0 or more KB/s" if attributes["rate"] < 0 else None


def _on_chunk(state: State, attributes: Attributes, chunk: Chunk, now_ns: int, rng: Random) -> Plan:
    rate = attributes["rate"]
    if rate == 0:
        return Plan((Step(None, chunk.data, chunk.stamp_ns),))
    at_ns = now_ns - state.late_ns
    state.late_ns = 0
    steps = []
    rest, piece = chunk.data, rate * 100
    while len(rest) > piece:
        at_ns += _TICK_NS
        steps.append(Step(at_ns, rest[:piece], chunk.stamp_ns))
        rest = rest[piece:]
    steps.append(Step(at_ns + len(rest) * _MS // rate, rest, chunk.stamp_ns))
    return Plan(tuple(steps))


TOXIC = ToxicType("bandwidth", ("rate",), _on_chunk, validate=_validate)
