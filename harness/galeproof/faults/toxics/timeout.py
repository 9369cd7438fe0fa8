"""timeout: drops all data, and closes after so long without any."""

from __future__ import annotations

from random import Random

from galeproof.faults.toxics._base import Attributes, Chunk, End, Plan, State, Step, ToxicType

__all__ = ["TOXIC"]

_MS = 1_000_000


def _on_start(state: State, attributes: Attributes, now_ns: int) -> Plan:
    if attributes["timeout"] <= 0:
        return Plan()
    return Plan((Step(now_ns + attributes["timeout"] * _MS, close=End.CLOSE),), idle=True)


def _on_chunk(state: State, attributes: Attributes, chunk: Chunk, now_ns: int, rng: Random) -> Plan:
    return _on_start(state, attributes, now_ns)


TOXIC = ToxicType(
    "timeout", ("timeout",), _on_chunk, on_start=_on_start, closes_when_removed=True
)
