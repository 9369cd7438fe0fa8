"""Exchanges and operations, derived from a history; nothing here is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from galeproof.model.history import Event

__all__ = ["Exchange", "Operation"]


@dataclass(slots=True)
class Exchange:
    """One request and what came of it.

    Attributes:
        x: The exchange's number; None for a connection that carried no request.
        start_lo_ns, start_hi_ns: When its head began, and when it was whole.
        whole, whole_ns: The request arrived whole (the origin read it, or the tap saw its end), and when.
        status: Final status, or None.
        complete: The whole answer has left the tap.
        answer_ns: When its answer began to leave the tap.
        end_lo_ns, end_hi_ns: Interval of the last write of the answer, or of the tap's close.
        word: What was planned for this attempt.
        closed: ``rst`` or ``fin`` where the tap ended the connection.
        client_left_ns: When the client gave this exchange up, or None.
        client_closed_ns: When it closed the connection on which this answer was the last, or None.
        doubtful: Nobody can tell whether the client has read the answer.
        spoilt: How the origin spoilt the body, or None: ``html``, ``null_field amount``.
        origin: The name of the origin that it reached; empty: the first one.
        evidence: Indices of its events.
    """

    x: int | None
    connection: int | None
    start_lo_ns: int
    start_hi_ns: int
    method: str = ""
    target: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    word: str = "ok"
    step: int | None = None
    lane: str = "clean"
    nth: int = 1
    by: str = "none"
    marker: str | None = None
    whole: bool = False
    whole_ns: int | None = None
    status: int | None = None
    answer_headers: tuple[tuple[str, str], ...] = ()
    complete: bool = False
    answered_bytes: int = 0
    answer_ns: int | None = None
    end_lo_ns: int | None = None
    end_hi_ns: int | None = None
    closed: str | None = None
    client_left_ns: int | None = None
    client_closed_ns: int | None = None
    value: str | None = None
    spoilt: str | None = None
    origin: str = ""
    effects: list[str] = field(default_factory=list)
    unplanned: str | None = None
    mismatch: str | None = None
    opaque: bool = False
    doubtful: bool = False
    evidence: list[int] = field(default_factory=list)

    def header(self, name: str) -> str | None:
        """Return a request header's first value (name in any case), or None."""
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)

    def answer_header(self, name: str) -> str | None:
        """Return an answer header's first value, or None."""
        return next((v for n, v in self.answer_headers if n.lower() == name.lower()), None)


@dataclass(slots=True)
class Operation:
    """One operation with its attempts in order."""

    ref: str
    name: str
    kind: str
    start: Event
    end: Event | None = None
    over_budget: Event | None = None
    cancel: Event | None = None
    attempts: list[Exchange] = field(default_factory=list)
    refusals: list[Event] = field(default_factory=list)
    ambiguous: bool = False

    @property
    def requests(self) -> list[Exchange]:
        """The attempts that carried a request."""
        return [a for a in self.attempts if a.x is not None]

    @property
    def outcome(self) -> str | None:
        """``ok``, ``failed``, ``killed``, or None where it never ended."""
        return str(self.end.data["outcome"]) if self.end else None

    @property
    def value(self) -> Any:
        """What the caller got."""
        return self.end.data.get("value") if self.end else None

    @property
    def error(self) -> Mapping[str, Any] | None:
        """The error that the caller got."""
        return self.end.data.get("error") if self.end else None

    @property
    def elapsed_ns(self) -> int | None:
        """From start to end, or None."""
        return self.end.lo_ns - self.start.lo_ns if self.end else None

    @property
    def unplanned(self) -> str | None:
        """What the harness did otherwise than planned, if anything."""
        return next((a.unplanned for a in self.attempts if a.unplanned), None)
