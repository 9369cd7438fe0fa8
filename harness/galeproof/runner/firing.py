"""Did the storm blow? What was planned must have met the subject, or nothing may pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from galeproof.model import History
from galeproof.model.attribution import attribute
from galeproof.model.exchange import Exchange

__all__ = ["fired", "lacking", "planned", "unmet"]

_HALF = 0.5  # of the delay that a lane's toxics must make
_SEEN_S = 0.001  # less is no storm


def planned(history: History) -> bool:
    """Tell whether the schedule plans any fault."""
    return any(word != "ok" for word in history.header.get("words") or ())


def fired(history: History) -> bool:
    """Tell whether a fault that the schedule plans bit at least one attempt."""
    if not planned(history):
        return True  # calm air plans none
    if any(event.data.get("seen") for event in history.of("refused")):
        return True
    if any(event.data.get("made") for event in history.of("blackhole")):
        return True
    if any(event.data.get("hellos") for event in history.of("tls_stall")):
        return True
    if any(event.data.get("taken") for event in history.of("rotated")) or any(
            True for _ in history.of("token_refused", "token")):
        return True
    attribution = attribute(history)
    return any(_bit(exchange, history) for exchange in
               [*attribution.exchanges, *attribution.strays, *attribution.ambiguous])


def lacking(history: History) -> list[str]:
    """Name what the subject lacks for this schedule: operations, or a connection that it keeps."""
    found = list(history.header.get("left_out") or ())
    # what a schedule plans after the stale connection comes only where there was one
    if "stale" in (history.header.get("words") or ()) and not any(
            event.data.get("nth", 1) > 1 for event in history.of("head")):
        found.append("connection that it uses again")
    if any(not event.data.get("taken") for event in history.of("rotated")):
        found.append("file that it reads its secret from (secrets.file)")
    return found


def unmet(history: History) -> str | None:
    """Say where the callers' outcomes are not what the scenario expects; no verdict rests on it."""
    wanted = (history.header.get("expect") or {}).get("outcome", "any")
    if wanted == "any":
        return None
    ends = [o.outcome for o in attribute(history).operations if o.outcome is not None]
    other = sum((outcome == "ok") != (wanted == "success") for outcome in ends)
    return f"{other} of {len(ends)} operations ended otherwise than in {wanted}" if other else None


def _bit(exchange: Exchange, history: History) -> bool:
    """Whether the planned fault of one exchange was done."""
    word = exchange.word
    if word == "ok" or exchange.mismatch:
        return False  # a request that breaks the contract was refused, whatever was planned
    if exchange.x is None or exchange.opaque:
        return True  # reset on accept; or relayed unread, with its fault on record
    if word == "fin after answer":
        return exchange.complete
    kind = word.split(" ")[0]
    if kind in ("rst", "fin", "stale"):
        return exchange.closed is not None
    if kind == "hang":
        return not exchange.complete
    if kind == "lane":
        return _lane_bit(exchange, history)
    return exchange.answered_bytes > 0 or exchange.closed is not None


def _lane_bit(exchange: Exchange, history: History) -> bool:
    """A toxic ended the connection, or made the delay that it must make."""
    toxics: Sequence[Mapping[str, Any]] = (history.header.get("lanes") or {}).get(exchange.lane, ())
    if exchange.closed is not None:
        return True
    if any(toxic.get("type") == "stall_after" for toxic in toxics):
        return not exchange.complete  # part of the answer may have come, and at once
    wanted_s = sum(_delay_s(toxic, exchange) for toxic in toxics)
    if wanted_s < _SEEN_S:
        return False
    end = exchange.end_hi_ns or exchange.client_left_ns
    return end is None or (end - exchange.start_lo_ns) / 1e9 >= _HALF * wanted_s


def _delay_s(toxic: Mapping[str, Any], exchange: Exchange) -> float:
    """The least delay that a toxic makes on an exchange, in s."""
    given = toxic.get("attributes") or {}
    if toxic.get("toxicity", 1.0) <= 0:
        return 0.0
    match toxic.get("type"):
        case "latency":
            latency = float(given.get("latency", 0))
            return max(latency / 4, latency - float(given.get("jitter", 0))) / 1e3
        case "bandwidth":
            rate = float(given.get("rate", 0)) * 1e3
            return exchange.answered_bytes / rate if rate else 60.0
        case "slicer":
            size = float(given.get("average_size", 0)) or 1.0
            return exchange.answered_bytes / size * float(given.get("delay", 0)) / 1e6
        case "slow_close":
            return float(given.get("delay", 0)) / 1e3
        case "timeout" | "reset_peer" | "limit_data" | "reset_after":
            return 60.0  # it ends the connection, and nothing else shows it
    return 0.0
