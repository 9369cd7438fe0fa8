"""What a failing test of ``gale`` shows: verdicts, the wire, the storm as a file, how to run it again."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from galeproof.model import History, Verdict
from galeproof.report import table_lines, wire_lines
from galeproof.scenario.storm import Storm

__all__ = ["failure_text"]


def failure_text(bad: Sequence[Verdict], history: History, kept: Path, *, test: str, seed: int,
                 storm: Storm | None = None, operations: int = 1) -> str:
    """Return the text.

    Args:
        bad: At least one verdict.
        history: What they were judged by.
        kept: The run's folder.
        test: The test's id.
        seed: Of the test run.
        storm: The storm of a property test, or None.
        operations: How many of them it took.
    """
    lines = table_lines(bad, f"galeproof judge {kept}  #")
    for verdict in bad:
        for finding in verdict.findings[:1]:
            if finding.operation:
                lines += ["", f"{verdict.code} on the wire:", *wire_lines(history, finding.operation)]
    if storm is not None:
        name = re.sub(r"[^a-z0-9-]+", "-", test.rpartition("::")[2].lower()).strip("-")[:60]
        text = storm.text(name or "found", f"Broke {bad[0].code} in {test}.", count=operations,
                          exercised=[v.code for v in bad])
        lines += ["", "as a scenario file:", *(f"  {line}" for line in text.splitlines())]
    lines.append(f"run kept in {kept}; again: pytest {json.dumps(test)} --galeproof-seed={seed}")
    return "\n".join(lines)
