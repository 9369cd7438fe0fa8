"""The verdict table as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from galeproof.model import Outcome, Verdict
from galeproof.report.plain import one_line

__all__ = ["figure", "first_cells", "more_lines", "ordered", "seen", "table_lines"]

_MOST_FINDINGS = 3
_ORDER = {Outcome.FAIL: 0, Outcome.UNKNOWN: 1, Outcome.PASS: 2}


def figure(value: float | str | None) -> str:
    """Print a figure short."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return str(value)


def _observed(verdict: Verdict) -> str:
    if verdict.observed is None:  # an UNKNOWN's note has a line of its own
        return "" if verdict.outcome is Outcome.UNKNOWN else one_line(verdict.note)
    text = one_line(f"{figure(verdict.observed)} {verdict.unit}".strip())
    if verdict.limit is None:
        return text
    return f"{text} against {one_line(figure(verdict.limit))}"


def seen(witnesses: int, total: int) -> str:
    """Print in how many operations the situation arose; some invariants count requests or starts instead."""
    return f"{witnesses} of {total} ops" if witnesses <= total else f"{witnesses} in {total} ops"


def ordered(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return them as people read them: failures first, then by code."""
    return sorted(verdicts, key=lambda v: (_ORDER[v.outcome], v.code))


def first_cells(verdict: Verdict) -> tuple[str, str, str, str, str]:
    """Return name, severity or reason, what was observed, in how many operations, and where."""
    state = verdict.severity if verdict.reason is None else verdict.reason
    more = len(verdict.scenarios) - 3
    where = one_line(", ".join(verdict.scenarios[:3])) + (f" and {more} more" if more > 0 else "")
    return (verdict.name, state, _observed(verdict), seen(verdict.witnesses, verdict.total), where)


def more_lines(verdict: Verdict, replay: str) -> Iterator[tuple[str, str]]:
    """Yield the lines below a verdict, each with what it is: ``finding``, ``mend``, ``note``, ``replay``.

    Args:
        verdict: The verdict.
        replay: The command that replays this run, or empty; the code is put behind it.
    """
    for finding in verdict.findings[:_MOST_FINDINGS]:
        yield "finding", f"{one_line(finding.operation or '-')}: {one_line(finding.text)}"
    if len(verdict.findings) > _MOST_FINDINGS:
        yield "finding", f"and {len(verdict.findings) - _MOST_FINDINGS} more"
    if verdict.findings and verdict.findings[0].mend:
        yield "mend", f"mend: {one_line(verdict.findings[0].mend)}"
    if verdict.outcome is Outcome.UNKNOWN and verdict.note:
        yield "note", one_line(verdict.note)
    if verdict.outcome is Outcome.FAIL and replay:
        yield "replay", f"replay: {replay} {verdict.code}"


def table_lines(verdicts: Sequence[Verdict], replay: str) -> list[str]:
    """Return the table's lines, failures first.

    Args:
        verdicts: One an invariant.
        replay: The command that replays this run, or empty; the code is put behind it.
    """
    lines = []
    for verdict in ordered(verdicts):
        name, state, observed, seen, where = first_cells(verdict)
        lines.append(f"{verdict.outcome.value:<8} {verdict.code} {name:<28} {state:<15} "
                     f"{observed:<34} {seen}  {where}".rstrip())
        lines += [f"         {line}" for _, line in more_lines(verdict, replay)]
    return lines
