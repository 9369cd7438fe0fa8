"""noop: passes everything on; also what a toxic is where its roll spared a link."""

from __future__ import annotations

from random import Random

from galeproof.faults.toxics._base import Attributes, Chunk, Plan, State, Step, ToxicType

__all__ = ["TOXIC"]


def _on_chunk(state: State, attributes: Attributes, chunk: Chunk, now_ns: int, rng: Random) -> Plan:
    return Plan((Step(now_ns, chunk.data, chunk.stamp_ns),))


TOXIC = ToxicType("noop", (), _on_chunk)
