"""The verdict table for a terminal: the words of the plain one, with colour and hanging indents (rich)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from galeproof.model import Outcome, Verdict
from galeproof.report.table import first_cells, more_lines, ordered, table_lines

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_table", "wants_colour"]

_STYLES = {Outcome.FAIL: "bold red", Outcome.UNKNOWN: "yellow", Outcome.PASS: "green"}
_SEVERITIES = {"critical": "bold red", "major": "red", "minor": "magenta"}
_KINDS = {"mend": "green", "replay": "cyan"}
_INDENT = 9


def wants_colour(file: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a stream is a terminal that takes colour, and nobody said NO_COLOR."""
    return file.isatty() and not environment.get("NO_COLOR") and environment.get("TERM", "dumb") != "dumb"


def print_table(verdicts: Sequence[Verdict], replay: str, file: TextIO) -> None:
    """Print the table, failures first: coloured on a terminal, else the plain lines.

    Args:
        verdicts: One an invariant.
        replay: The command that replays this run, or empty; the code is put behind it.
        file: Where to.
    """
    if not wants_colour(file):
        for line in table_lines(verdicts, replay):
            print(line, file=file)
        return
    from rich.console import Console  # here: pipes and CI, which never see it, do not pay for it
    from rich.text import Text

    console = Console(file=file, highlight=False, markup=False, emoji=False)
    for verdict in ordered(verdicts):
        _print_verdict(console, verdict, replay)
    counts = {outcome: sum(v.outcome is outcome for v in verdicts) for outcome in _STYLES}
    console.print()
    console.print(Text("   ").join(Text(f"{count} {outcome.value}", _STYLES[outcome] if count else "dim")
                                   for outcome, count in counts.items()))


def _print_verdict(console: Console, verdict: Verdict, replay: str) -> None:
    from rich.padding import Padding
    from rich.text import Text

    def under(text: str, style: str = "") -> None:
        console.print(Padding(Text(text, style), (0, 0, 0, _INDENT)))

    name, state, observed, seen, where = first_cells(verdict)
    unknown = verdict.outcome is Outcome.UNKNOWN
    failed = verdict.outcome is Outcome.FAIL
    head = Text.assemble((f"{verdict.outcome.value:<{_INDENT}}", _STYLES[verdict.outcome]),
                         (verdict.code, "bold"), f" {name:<28} ")
    head.append(f"{state:<15} ", "yellow" if unknown else _SEVERITIES[state] if failed else "dim")
    beside = f"{observed:<34} {seen}"
    fits = head.cell_len + len(beside) <= console.width
    head.append(beside if fits else "")
    if fits and where and head.cell_len + 2 + len(where) <= console.width:
        head.append(f"  {where}", "dim")
        where = ""
    head.rstrip()
    console.print(head, no_wrap=True, overflow="ellipsis", crop=True)
    if not fits and (rest := "  ".join(part for part in (observed, seen) if part)):
        under(rest)
    if where and verdict.outcome is not Outcome.PASS:
        under(where, "dim")
    for kind, line in more_lines(verdict, replay):
        if kind == "replay":  # one line, so that it can be copied
            console.print(Text(" " * _INDENT + line, _KINDS[kind]), soft_wrap=True)
        else:
            under(line, _KINDS.get(kind, "dim" if unknown else ""))
