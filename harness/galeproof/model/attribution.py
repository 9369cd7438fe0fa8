"""The one pure function that gives events to operations, strongest evidence first:

reference in the head, reference in the body, a key or correlation id that another attempt of
exactly one operation carries, one operation at a time. Ambiguity is told, never guessed away.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from galeproof.model.exchange import Exchange, Operation
from galeproof.model.history import Event, History

__all__ = ["Attribution", "attribute"]

_READ_AT_ONCE = 16_384  # bytes: of a longer answer a client may have read the head before it reset
_PLAIN = re.compile("[a-z0-9]+")
_SHARED = ("idempotency-key", "x-request-id", "x-correlation-id", "request-id")


@dataclass(frozen=True, slots=True)
class Attribution:
    """Operations in the order of their start; exchanges that belong to none, or to no one
    operation for sure."""

    operations: tuple[Operation, ...]
    strays: tuple[Exchange, ...]
    ambiguous: tuple[Exchange, ...]

    @property
    def exchanges(self) -> list[Exchange]:
        """Every exchange that was given to an operation."""
        return [a for o in self.operations for a in o.attempts]


def attribute(history: History) -> Attribution:
    """Derive operations and their attempts from a history."""
    calls = _operations(history)
    refs = [str(ref).lower() for ref in history.header.get("refs", ())] or list(calls)
    known_refs = _Known(refs)
    sequential = bool(history.header.get("sequential"))
    operations = sorted((o for found in calls.values() for o in found), key=lambda o: o.start.index)
    strays, ambiguous, left = [], [], []
    for exchange in _exchanges(history):
        if exchange.by == "route":  # outside operations, whatever it names
            strays.append(exchange)
            continue
        found = _references(exchange, known_refs)
        if len(found) > 1:
            ambiguous.append(exchange)
            for operation in (o for ref in found for o in calls.get(ref, ())):
                operation.ambiguous = True
        elif len(found) == 1 and (ref := found.pop()) in calls:
            owner = _of(calls[ref], exchange.start_hi_ns)
            owner.attempts.append(exchange)
            # the tap did not know whose it was: no step met it, and others ran meanwhile
            owner.ambiguous |= not sequential and exchange.marker is None
        else:
            left.append(exchange)
    known = _shared_values(operations)
    for exchange in left:
        keeper = _owner(exchange, calls, known, sequential)
        if keeper is None:
            strays.append(exchange)
        else:
            keeper.attempts.append(exchange)
    for event in history.of("refused"):
        if event.marker in calls:
            _of(calls[event.marker], event.hi_ns).refusals.append(event)
    for operation in operations:
        operation.attempts.sort(key=lambda a: (a.start_lo_ns, a.x or 0))
    return Attribution(tuple(operations), tuple(strays), tuple(ambiguous))


def _operations(history: History) -> dict[str, list[Operation]]:
    """The calls of each reference in their order: a caller may call again with the same one, after
    the call before has ended."""
    found: dict[str, list[Operation]] = {}
    for event in history.of("op_start", "op_end", "op_cancel", "over_budget"):
        ref = event.marker
        if ref is None:
            continue
        if event.kind == "op_start":
            found.setdefault(ref, []).append(Operation(
                ref, str(event.data.get("name", "")), str(event.data.get("kind", "")), event))
        elif ref in found and event.kind == "op_end":
            found[ref][-1].end = event
        elif ref in found and event.kind == "op_cancel":
            found[ref][-1].cancel = event
        elif ref in found:
            found[ref][-1].over_budget = event
    return found


def _of(calls: Sequence[Operation], at_ns: int) -> Operation:
    """The call of one reference that had begun last at an instant."""
    return next((o for o in reversed(calls) if o.start.lo_ns <= at_ns), calls[0])


def _pairs(value: Any) -> tuple[tuple[str, str], ...]:
    return tuple((str(n), str(v)) for n, v in value or ())


def _exchanges(history: History) -> list[Exchange]:
    found: dict[int, Exchange] = {}
    bare: list[Exchange] = []
    loose: list[Event] = []
    accepted: dict[int, Event] = {}
    last: dict[int | None, Exchange] = {}
    for event in history.events:
        number = event.data.get("x")
        if event.kind == "accept" and event.connection is not None:
            accepted[event.connection] = event
        elif event.kind == "head" and number is not None:
            found[number] = last[event.connection] = _begun(event)
        elif event.kind in ("client_fin", "gone") and number is None and event.connection in last:
            _closed(last[event.connection], event)
        elif event.kind == "close" and number is None and event.data.get("planned"):
            bare.append(_bare(event, accepted))
        elif number in found:
            _take(found[number], event)
        elif event.kind == "fault_unplanned":
            loose.append(event)
    for event in loose:  # of no exchange: it taints its connection, or the whole run
        for exchange in [*found.values(), *bare]:
            if event.connection in (None, exchange.connection):
                exchange.unplanned = str(event.data["what"])
    return [*found.values(), *bare]


def _left(exchange: Exchange, at_ns: int) -> None:
    """Nobody read the answer: the client had closed the connection, or closed it on what it had not read."""
    exchange.complete = False
    if exchange.client_left_ns is None:
        exchange.client_left_ns = at_ns


def _closed(exchange: Exchange, event: Event) -> None:
    """The client ended the connection on which this answer was the last."""
    if event.kind == "gone" and event.data.get("how") == "ended":
        return
    if exchange.client_closed_ns is None:
        exchange.client_closed_ns = event.lo_ns
    if event.data.get("how") == "rst" and exchange.complete and exchange.answered_bytes <= _READ_AT_ONCE:
        exchange.evidence.append(event.index)
        _left(exchange, event.lo_ns)


def _begun(event: Event) -> Exchange:
    data = event.data
    return Exchange(
        data["x"], event.connection, event.lo_ns, event.hi_ns, str(data.get("method", "")),
        str(data.get("target", "")), _pairs(data.get("headers")), word=str(data.get("word", "ok")),
        step=data.get("step"), lane=str(data.get("lane", "clean")), nth=int(data.get("nth", 1)),
        by=str(data.get("by", "none")), origin=str(data.get("origin", "")), marker=event.marker,
        evidence=[event.index])


def _bare(event: Event, accepted: dict[int, Event]) -> Exchange:
    """A connection that the tap ended by plan before any request."""
    begun = accepted.get(event.connection or 0, event)
    return Exchange(
        None, event.connection, begun.lo_ns, begun.hi_ns, closed=str(event.data["done"]),
        word=f"{event.data['done']} after accept", end_lo_ns=event.lo_ns, end_hi_ns=event.hi_ns,
        evidence=[begun.index, event.index])


def _take(exchange: Exchange, event: Event) -> None:
    exchange.evidence.append(event.index)
    data = event.data
    match event.kind:
        case "request_end":
            exchange.whole, exchange.body = True, str(data.get("body", ""))
            exchange.whole_ns = event.hi_ns
        case "read":
            exchange.whole = True
            exchange.whole_ns = exchange.whole_ns or event.hi_ns
        case "answer":
            exchange.answered_bytes = data["total"]
            exchange.answer_ns = event.hi_ns if exchange.answer_ns is None else exchange.answer_ns
            exchange.end_lo_ns, exchange.end_hi_ns = event.lo_ns, event.hi_ns
            if "status" in data:
                exchange.status = data["status"]
                exchange.answer_headers = _pairs(data.get("headers"))
        case "answer_end":
            exchange.complete = True
            if data.get("unread"):
                _left(exchange, event.lo_ns)
        case "close":
            exchange.closed = data["done"]
            if data.get("planned") and data["planned"] != data["done"]:
                exchange.unplanned = f"planned {data['planned']}, done {data['done']}"
            if exchange.end_lo_ns is None:
                exchange.end_lo_ns, exchange.end_hi_ns = event.lo_ns, event.hi_ns
        case "client_fin":
            if exchange.client_left_ns is None:
                exchange.client_left_ns = event.lo_ns
        case "gone":
            if exchange.client_left_ns is None and data.get("how") != "ended":
                exchange.client_left_ns = event.lo_ns
        case "answered":
            exchange.value, exchange.spoilt = data.get("value"), data.get("spoilt")
        case "effect":
            exchange.effects.append(str(data["effect"]))
        case "mismatch":
            exchange.mismatch = str(data["what"])
        case "fault_unplanned":
            exchange.unplanned = str(data["what"])
        case "opaque":
            exchange.opaque = True


class _Known:
    """The run's references, found in a text in a time that does not grow with their number."""

    def __init__(self, refs: Sequence[str]) -> None:
        plain = {ref for ref in refs if _PLAIN.fullmatch(ref)}
        odd = sorted(set(refs) - plain)
        self._odd = re.compile("|".join(map(re.escape, odd))) if odd else None
        by_size: dict[int, set[str]] = {}
        for ref in plain:
            by_size.setdefault(len(ref), set()).add(ref)
        self._sizes = [(size, refs, re.compile(f"[a-z0-9]{{{size},}}")) for size, refs in by_size.items()]

    def findall(self, text: str) -> set[str]:
        """Return those that stand in a lower-case text, also inside longer words."""
        found = set(self._odd.findall(text)) if self._odd else set()
        for size, refs, words in self._sizes:
            for word in words.findall(text):
                found |= {word[at : at + size] for at in range(len(word) - size + 1)} & refs
        return found


def _references(exchange: Exchange, pattern: _Known) -> set[str]:
    head = "\n".join([exchange.target, *(v for _, v in exchange.headers)]).lower()
    found = pattern.findall(head) or pattern.findall(unquote(head))
    if found:
        return found
    in_body = pattern.findall(exchange.body.lower())
    return in_body if len(in_body) == 1 else set()


def _shared_values(operations: Sequence[Operation]) -> dict[str, str | None]:
    """Map each key or correlation id to the one reference that carries it, or to None."""
    known: dict[str, str | None] = {}
    for operation in operations:
        for attempt in operation.attempts:
            for name in _SHARED:
                value = attempt.header(name)
                if value:
                    ref = operation.ref
                    known[value] = ref if known.get(value, ref) == ref else None
    return known


def _owner(exchange: Exchange, calls: dict[str, list[Operation]], known: dict[str, str | None],
           sequential: bool) -> Operation | None:
    for name in _SHARED:
        ref = known.get(exchange.header(name) or "")
        if ref:
            return _of(calls[ref], exchange.start_hi_ns)
    if not sequential or (exchange.by == "none" and exchange.x is not None and (
            exchange.marker is None and exchange.headers)):
        return None
    running: Sequence[Operation] = [
        o for found in calls.values() for o in found
        if o.start.lo_ns <= exchange.start_hi_ns
        and (o.end is None or exchange.start_lo_ns <= o.end.lo_ns)]
    return running[0] if len(running) == 1 else None
