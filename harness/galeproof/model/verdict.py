"""Verdicts and findings: what judging returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["REASONS", "SEVERITIES", "Finding", "Outcome", "Verdict", "combine"]

# the order in which reasons win when several schedules end UNKNOWN
REASONS = (
    "harness_fault",
    "capture_missing",
    "attribution",
    "noise",
    "budget_exhausted",
    "undeclared",
    "not_exercised",
)
SEVERITIES = ("minor", "major", "critical")


class Outcome(StrEnum):
    """The three answers of a judge."""

    PASS = "PASS"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation: the operation, the events that show it, one sentence, and how to mend it."""

    operation: str | None
    evidence: tuple[int, ...]
    text: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one invariant says of one history.

    Attributes:
        code: For instance ``RTY001``.
        name: For instance ``retry-cap``.
        outcome: PASS, FAIL or UNKNOWN.
        reason: One of REASONS where UNKNOWN, else None.
        severity: critical, major or minor.
        observed: The worst figure seen, in ``unit``.
        limit: What it was held against, in ``unit``.
        witnesses: Operations (or other units) in which the situation arose.
        total: Operations looked at.
        note: A sentence for the reader.
        findings: The violations.
        timing: True when a FAIL rests on elapsed time and needs its reruns.
    """

    code: str
    name: str
    outcome: Outcome
    severity: str
    reason: str | None = None
    observed: float | str | None = None
    limit: float | str | None = None
    unit: str = ""
    witnesses: int = 0
    total: int = 0
    note: str = ""
    findings: tuple[Finding, ...] = ()
    timing: bool = False
    scenarios: tuple[str, ...] = ()

    def as_json(self) -> Mapping[str, Any]:
        """Return the published JSON form."""
        return {
            "code": self.code,
            "name": self.name,
            "verdict": self.outcome.value,
            "reason": self.reason,
            "severity": self.severity,
            "scenarios": list(self.scenarios),
            "observed": self.observed,
            "limit": self.limit,
            "unit": self.unit,
            "witnesses": self.witnesses,
            "total": self.total,
            "note": self.note,
            "findings": [
                {"operation": f.operation, "evidence": list(f.evidence), "text": f.text,
                 "mend": f.mend}
                for f in self.findings
            ],
        }


def combine(verdicts: list[Verdict]) -> Verdict:
    """Make one verdict of the verdicts of several schedules, for one invariant.

    FAIL if one shows it; PASS if every schedule that applies held (a schedule that did
    not exercise it does not count against a PASS); else UNKNOWN with the first reason of REASONS.

    Args:
        verdicts: At least one, all of one code.
    """
    first = verdicts[0]
    fails = [v for v in verdicts if v.outcome is Outcome.FAIL]
    unknown = [v for v in verdicts if v.outcome is Outcome.UNKNOWN]
    passed = [v for v in verdicts if v.outcome is Outcome.PASS]
    doubt = [v for v in unknown if v.reason != "not_exercised"]
    if fails:
        worst = max(fails, key=lambda v: (SEVERITIES.index(v.severity), v.witnesses))
        chosen, pool = worst, fails
    elif passed and not doubt:
        chosen, pool = max(passed, key=lambda v: (_number(v.observed), v.witnesses)), passed
    else:
        pool = doubt or unknown
        chosen = min(pool, key=lambda v: (REASONS.index(v.reason or "not_exercised"),
                                          -_number(v.observed)))
    return Verdict(
        code=first.code, name=first.name, outcome=chosen.outcome, severity=chosen.severity,
        reason=chosen.reason, observed=chosen.observed, limit=chosen.limit, unit=chosen.unit,
        witnesses=sum(v.witnesses for v in pool), total=sum(v.total for v in pool),
        note=chosen.note, findings=tuple(f for v in fails for f in v.findings),
        timing=chosen.timing,
        scenarios=tuple(dict.fromkeys(s for v in pool for s in v.scenarios)),
    )


def _number(value: float | str | None) -> float:
    return float(value) if isinstance(value, int | float) else float("-inf")
