"""What went over the wire for one operation, a line an event: expected against observed."""

from __future__ import annotations

from galeproof.model import History
from galeproof.report.plain import one_line

__all__ = ["wire_lines"]

_MOST = 40
_SHOWN = frozenset({"op_start", "op_end", "head", "answer", "close", "client_fin", "effect",
                    "refused", "fault_unplanned", "over_budget", "lane_closed"})


def wire_lines(history: History, ref: str) -> list[str]:
    """Return the events of one operation as text, instants in s since the run's start."""
    lines = []
    for event in history.events:
        if event.marker != ref or event.kind not in _SHOWN:
            continue
        data = event.data
        if event.kind == "answer" and "status" not in data:
            continue
        if event.kind == "lane_closed" and data.get("how") == "kept":
            continue
        what = {
            "head": f"attempt {data.get('attempt')}: {data.get('method')} {data.get('target')}"
                    f"  <- {data.get('word')}",
            "answer": f"answered {data.get('status')}",
            "close": f"tap closed: {data.get('done')} after {data.get('sent')} bytes",
            "op_end": f"outcome {data.get('outcome')} {(data.get('error') or {}).get('type', '')}",
            "effect": f"effect {data.get('effect')} key {data.get('key')}",
        }.get(event.kind, event.kind)
        lines.append(f"{event.lo_ns / 1e9:8.3f} s  {event.witness:<10} {one_line(what)}".rstrip())
    if len(lines) > _MOST:
        lines[_MOST // 2 : -_MOST // 2] = [f"           ... {len(lines) - _MOST} lines more ..."]
    return lines
