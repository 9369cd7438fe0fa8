"""The verdict table as text."""

from __future__ import annotations

from collections.abc import Sequence

from galeproof.model import Outcome, Verdict
from galeproof.report.plain import one_line

__all__ = ["figure", "table_lines"]

_MOST_FINDINGS = 3


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


def table_lines(verdicts: Sequence[Verdict], replay: str) -> list[str]:
    """Return the table's lines, failures first.

    Args:
        verdicts: One an invariant.
        replay: The command that replays this run; the code is put behind it.
    """
    order = {Outcome.FAIL: 0, Outcome.UNKNOWN: 1, Outcome.PASS: 2}
    lines = []
    for verdict in sorted(verdicts, key=lambda v: (order[v.outcome], v.code)):
        state = verdict.severity if verdict.reason is None else verdict.reason
        where = one_line(", ".join(verdict.scenarios[:3]))
        more = len(verdict.scenarios) - 3
        lines.append(
            f"{verdict.outcome.value:<8} {verdict.code} {verdict.name:<28} {state:<15} "
            f"{_observed(verdict):<34} {verdict.witnesses} of {verdict.total} ops  "
            f"{where}{f' and {more} more' if more > 0 else ''}".rstrip())
        for finding in verdict.findings[:_MOST_FINDINGS]:
            lines.append(f"         {one_line(finding.operation or '-')}: {one_line(finding.text)}")
        if len(verdict.findings) > _MOST_FINDINGS:
            lines.append(f"         and {len(verdict.findings) - _MOST_FINDINGS} more")
        if verdict.findings and verdict.findings[0].mend:
            lines.append(f"         mend: {one_line(verdict.findings[0].mend)}")
        if verdict.outcome is Outcome.UNKNOWN and verdict.note:
            lines.append(f"         {one_line(verdict.note)}")
        if verdict.outcome is Outcome.FAIL:
            lines.append(f"         replay: {replay} {verdict.code}")
    return lines
