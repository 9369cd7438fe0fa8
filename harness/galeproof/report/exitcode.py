"""The exit code of a run: 0 pass, 1 findings, 2 usage, 3 invalid, 4 harness fault, 5 undecided."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from galeproof.model import Outcome, Verdict
from galeproof.model.verdict import SEVERITIES

__all__ = ["exit_code"]


def exit_code(verdicts: Sequence[Verdict], *, fail_on: str, expected: Collection[str],
              invalid: bool, fault: bool, nothing: bool = False) -> int:
    """Return the code; of several, 4, 3, 1, 5 in that order.

    An expected invariant that ends UNKNOWN is undecided, unless its owner declared nothing; so is a run in
    which nothing was run at all.
    """
    if fault or any(v.reason == "harness_fault" for v in verdicts):
        return 4
    if invalid:
        return 3
    bar = SEVERITIES.index(fail_on)
    if any(v.outcome is Outcome.FAIL and SEVERITIES.index(v.severity) >= bar for v in verdicts):
        return 1
    if any(v.outcome is Outcome.UNKNOWN and v.code in expected and v.reason != "undeclared"
           for v in verdicts):
        return 5
    return 5 if nothing else 0
