"""What goes over the seam to the HTTP library: waits, an answer, or a failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from galeproof.client.eligibility import FailureKind

__all__ = ["Answer", "Failure", "Timeouts"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The four waits of one exchange, in seconds."""

    connect_s: float
    read_s: float
    write_s: float
    pool_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer; header names are in lower case, repeated ones joined by commas."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """An exchange without a complete answer; `status` is set when at least the head came."""

    kind: FailureKind
    status: int | None = None
