"""slicer: cuts chunks into small pieces, with a pause after each."""

from __future__ import annotations

from random import Random

from galeproof.faults.toxics._base import Attributes, Chunk, Plan, State, Step, ToxicType

__all__ = ["TOXIC"]

_US = 1_000


def _validate(attributes: Attributes) -> str | None:
    average, variation = attributes["average_size"], attributes["size_variation"]
    if average < 1:
        return "average_size must be 1 or more bytes"
    # Above that a cut may lie outside of the chunk, and Toxiproxy dies.
    if not 0 <= variation <= average:
        return f"size_variation must be 0 to {average} bytes (at most average_size)"
    return None


def _cut(start: int, end: int, average: int, variation: int, rng: Random) -> list[tuple[int, int]]:
    if end - start <= average + variation:
        return [(start, end)]
    middle = start + (end - start) // 2
    if variation:
        middle += rng.randrange(2 * variation) - variation
    return _cut(start, middle, average, variation, rng) + _cut(middle, end, average, variation, rng)


def _on_chunk(state: State, attributes: Attributes, chunk: Chunk, now_ns: int, rng: Random) -> Plan:
    average, variation = attributes["average_size"], attributes["size_variation"]
    pause_ns = max(0, attributes["delay"]) * _US
    at_ns, steps = now_ns, []
    for start, end in _cut(0, len(chunk.data), average, variation, rng):
        steps.append(Step(at_ns, chunk.data[start:end], chunk.stamp_ns))
        at_ns += pause_ns
    steps.append(Step(at_ns))
    return Plan(tuple(steps))


TOXIC = ToxicType(
    "slicer", ("average_size", "size_variation", "delay"), _on_chunk, validate=_validate, draws=True
)
