"""Planned faults that no attempt met: the test meant a storm that did not blow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from galeproof.model import History
from galeproof.model.attribution import attribute

__all__ = ["remaining_text"]

_BEFORE_ANY_BYTE = ("refused", "blackhole", "tls_stall")


def remaining_text(history: History, schedule: Sequence[Mapping[str, Any]]) -> str:
    """Say which planned faults never came, attempts expected against attempts observed; empty where all did.

    Args:
        history: The test's record.
        schedule: The steps of ``gale.steps`` in their order.
    """
    attribution = attribute(history)
    exchanges = [*attribution.exchanges, *attribution.strays, *attribution.ambiguous]
    met = {a.step for a in exchanges}
    bare = {a.word for a in exchanges if a.x is None}
    if any(True for _ in history.of(*_BEFORE_ANY_BYTE)):
        bare |= {str(step["word"]) for step in schedule if step["first"] == 1}
    left = [step for number, step in enumerate(schedule)
            if step["word"] != "ok" and number not in met and step["word"] not in bare]
    if not left:
        return ""
    planned = ", ".join(str(step["word"]) for step in schedule)
    lines = ["planned faults that no attempt met: " + ", ".join(
        f"attempt {step['first']}: {step['word']}" for step in left), f"  expected {planned}"]
    for operation in attribution.operations:
        seen = ", ".join(a.word for a in operation.attempts) or "nothing"
        lines.append(f"  observed {seen}  ({operation.name} {operation.ref}, {operation.outcome or 'open'})")
    if not attribution.operations:
        lines.append("  observed no operation: none was opened with gale.operation(...)")
    return "\n".join([*lines, "  where that is meant: gale.steps(..., may_remain=True)"])
