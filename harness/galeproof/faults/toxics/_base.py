"""The vocabulary of a toxic: chunks go in, a plan of timed steps comes out."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

__all__ = ["Attributes", "Chunk", "End", "Plan", "State", "Step", "ToxicType"]

Attributes = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of one read, and the instant from which delays are counted."""

    data: bytes
    stamp_ns: int


class End(enum.Enum):
    """How a stream ends.

    ``LOST`` is what its source's reset looks like; where it comes out it is a ``CLOSE``,
    unless a toxic of ours made it a ``RESET``. ``HALF`` ends this direction only.
    """

    CLOSE = "close"
    LOST = "lost"
    HALF = "half"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do at an instant; ``at_ns=None`` is never (until interrupted)."""

    at_ns: int | None
    data: bytes = b""
    stamp_ns: int = 0
    close: End | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in order of time.

    A plan occupies its stage: later chunks wait until its last step is done. An
    ``idle`` plan does not: the next chunk or the end of the stream replaces it.
    """

    steps: tuple[Step, ...] = ()
    idle: bool = False


@dataclass(slots=True)
class State:
    """What one toxic remembers for one link.

    ``late_ns`` is set by the interpreter: how late the last step of the last plan was.
    """

    count: int = 0
    late_ns: int = 0


def accept(attributes: Attributes) -> str | None:
    """Accept any attributes."""
    return None


def nothing(state: State, attributes: Attributes, now_ns: int) -> Plan:
    """Plan nothing."""
    return Plan()


def end_now(state: State, attributes: Attributes, end: End, now_ns: int) -> Plan:
    """Pass the end of the stream on at once."""
    return Plan((Step(now_ns, close=end),))


@dataclass(frozen=True, slots=True)
class ToxicType:
    """One type of toxic: its attributes and its pure behaviour.

    Args:
        name: The type as Toxiproxy spells it.
        fields: The names of its attributes, all integers with default 0, in the order that Toxiproxy prints.
        on_chunk: What to do with a chunk.
        on_start: What to do when the stage starts or is started afresh.
        on_end: What to do at the end of the stream.
        validate: Returns what is wrong with attributes, or None.
        capacity: How many chunks may wait in front of it.
        resets: Its presence makes closes of a new connection into RST.
        closes_when_removed: Removing it closes the connection.
        uninterruptible: A plan once begun is carried out, even after removal.
        draws: It draws from its source of chance, beyond the roll of its toxicity.
        holds: What it holds back for ever is let go when both peers have ended.
    """

    name: str
    fields: tuple[str, ...]
    on_chunk: Callable[[State, Attributes, Chunk, int, Random], Plan]
    on_start: Callable[[State, Attributes, int], Plan] = nothing
    on_end: Callable[[State, Attributes, End, int], Plan] = end_now
    validate: Callable[[Attributes], str | None] = accept
    capacity: int = 1
    resets: bool = False
    closes_when_removed: bool = False
    uninterruptible: bool = False
    draws: bool = False
    holds: bool = False
