"""latency: every chunk leaves a while after it was received, in order."""

from __future__ import annotations

from random import Random

from galeproof.faults.toxics._base import Attributes, Chunk, Plan, State, Step, ToxicType

__all__ = ["TOXIC"]

_MS = 1_000_000
_JITTER_END_MS = 1 << 62


def _validate(attributes: Attributes) -> str | None:
    # Toxiproxy doubles it in 64 bits, and dies.
    return "jitter must be below 2^62 ms" if attributes["jitter"] >= _JITTER_END_MS else None


def _on_chunk(state: State, attributes: Attributes, chunk: Chunk, now_ns: int, rng: Random) -> Plan:
    delay_ms, jitter_ms = attributes["latency"], attributes["jitter"]
    if jitter_ms > 0:
        delay_ms += rng.randrange(2 * jitter_ms) - jitter_ms
    at_ns = max(now_ns, chunk.stamp_ns + delay_ms * _MS)
    return Plan((Step(at_ns, chunk.data, at_ns),))


TOXIC = ToxicType(
    "latency", ("latency", "jitter"), _on_chunk, validate=_validate, capacity=1024, draws=True
)
