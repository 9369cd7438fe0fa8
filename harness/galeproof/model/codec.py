"""JSON Lines form of a history: one header line, one line an event."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from galeproof.errors import HistoryError
from galeproof.model.history import WITNESSES, Event, History

__all__ = ["FORMAT_VERSION", "dump_history", "load_history", "read_history"]

FORMAT_VERSION = 2


def _line(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)


def dump_history(history: History) -> str:
    """Return the JSON Lines text of a history; equal histories give equal bytes. The last line is a
    checksum of those before it."""
    lines = [_line({"galeproof_history": FORMAT_VERSION, "events": len(history), **history.header})]
    lines += [
        _line([e.lo_ns, e.hi_ns, e.witness, e.kind, e.connection, e.marker, e.data])
        for e in history.events
    ]
    return "\n".join([*lines, _line({"sha256": _sha256(lines)})]) + "\n"


def _sha256(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def load_history(text: str | Iterable[str], name: str = "history") -> History:
    """Parse JSON Lines text.

    Args:
        text: The text or its lines.
        name: What to call the source in an error.

    Raises:
        HistoryError: The text is damaged (names the line) or of a newer format.
    """
    lines = text.splitlines() if isinstance(text, str) else list(text)
    if not lines:
        raise HistoryError(f"{name}: empty, expected a header line")
    header = _parse(lines[0], name, 1)
    if not isinstance(header, dict) or "galeproof_history" not in header:
        raise HistoryError(f"{name}, line 1: no galeproof history header")
    version = header.pop("galeproof_history")
    if version != FORMAT_VERSION:
        raise HistoryError(
            f"{name}: history format {version!r}, this program reads {FORMAT_VERSION}; "
            "update galeproof to judge it"
        )
    count = header.pop("events", None)
    body, seal = lines[1:-1], _parse(lines[-1], name, len(lines))
    if not isinstance(seal, dict) or set(seal) != {"sha256"}:
        raise HistoryError(f"{name}, line {len(lines)}: no checksum: cut off?")
    events = tuple(_event(_parse(line, name, n), name, n) for n, line in enumerate(body, 2))
    if count != len(events):
        raise HistoryError(f"{name}: {len(events)} events, the header promises {count}: cut off?")
    if seal["sha256"] != _sha256(lines[:-1]):
        raise HistoryError(f"{name}: damaged: its checksum is another")
    return History(header, events)


def read_history(path: Path) -> History:
    """Read a stored history.

    Raises:
        HistoryError: No such file, damaged, or of a newer format.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise HistoryError(f"{path}: {error}") from None
    return load_history(text, str(path))


def _parse(line: str, name: str, number: int) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise HistoryError(f"{name}, line {number}: not JSON ({error})") from None


def _event(value: Any, name: str, number: int) -> Event:
    match value:
        case [int(lo), int(hi), str(witness), str(kind), connection, marker, dict(data)] if (
            lo <= hi
            and witness in WITNESSES
            and (connection is None or isinstance(connection, int))
            and (marker is None or isinstance(marker, str))
        ):
            return Event(number - 2, lo, hi, witness, kind, connection, marker, data)
    raise HistoryError(f"{name}, line {number}: not an event")
