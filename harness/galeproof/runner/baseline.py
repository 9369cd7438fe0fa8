"""A baseline: today's findings, accepted with a reason; new ones fail."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from galeproof.errors import UsageError
from galeproof.invariants import INVARIANTS
from galeproof.model import Outcome, Verdict

__all__ = ["Accepted", "Baseline", "baseline_text", "read_baseline"]

_KEYS = frozenset({"code", "subject", "scenario", "reason"})


@dataclass(frozen=True, slots=True)
class Accepted:
    """One finding that is lived with: an invariant, of one subject or all, in one scenario or all."""

    code: str
    reason: str
    subject: str | None = None
    scenario: str | None = None

    def covers(self, code: str, subject: str, scenario: str) -> bool:
        """Whether it accepts a FAIL of an invariant in that scenario."""
        return (self.code == code and self.subject in (None, subject)
                and self.scenario in (None, scenario))


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is accepted."""

    entries: tuple[Accepted, ...] = ()

    def accepts(self, verdict: Verdict, subject: str) -> bool:
        """Whether a FAIL is accepted in every scenario that shows it."""
        return verdict.outcome is Outcome.FAIL and all(
            self.covering(verdict.code, subject, name) for name in verdict.scenarios or ("",))

    def covering(self, code: str, subject: str, scenario: str) -> Accepted | None:
        """Return the entry that accepts a FAIL of an invariant in one scenario, or None."""
        return next((e for e in self.entries if e.covers(code, subject, scenario)), None)

    def reason(self, verdict: Verdict) -> str:
        """Return why a finding is accepted."""
        return next((e.reason for e in self.entries if e.code == verdict.code), "")

    def stale(self, verdicts: Iterable[Verdict], subject: str) -> list[Accepted]:
        """Return the entries of this subject whose invariant PASSes now."""
        passed = {v.code for v in verdicts if v.outcome is Outcome.PASS}
        return [e for e in self.entries if e.code in passed and e.subject in (None, subject)]


def read_baseline(path: Path) -> Baseline:
    """Read a baseline file.

    Raises:
        UsageError: Names the file, the entry and what is wrong with it.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"baseline {path}: {error}") from None
    entries = data.get("accepted", [])
    if set(data) - {"accepted"} or not isinstance(entries, list):
        raise UsageError(f"baseline {path}: expected [[accepted]] tables only")
    return Baseline(tuple(_entry(entry, f"baseline {path}: accepted[{n}]")
                          for n, entry in enumerate(entries)))


def _entry(entry: object, where: str) -> Accepted:
    if not isinstance(entry, dict) or set(entry) - _KEYS:
        raise UsageError(f"{where}: allowed keys: {', '.join(sorted(_KEYS))}")
    if entry.get("code") not in INVARIANTS:
        raise UsageError(f"{where}.code: {entry.get('code')!r}: no such invariant")
    if not str(entry.get("reason") or "").strip():
        raise UsageError(f"{where}.reason: say why {entry['code']} is lived with")
    return Accepted(entry["code"], str(entry["reason"]), entry.get("subject"), entry.get("scenario"))


def baseline_text(before: Baseline, verdicts: Sequence[Verdict], subject: str, reason: str) -> str:
    """Return a baseline that accepts what fails now too."""
    entries = list(before.entries)
    for verdict in verdicts:
        if verdict.outcome is Outcome.FAIL:
            for name in verdict.scenarios:
                if not any(e.covers(verdict.code, subject, name) for e in entries):
                    entries.append(Accepted(verdict.code, reason, subject, name))
    lines = []
    for entry in entries:
        lines.append("[[accepted]]")
        for key in ("code", "subject", "scenario", "reason"):
            value = getattr(entry, key)
            if value is not None:
                lines.append(f"{key} = {json.dumps(value)}")
        lines.append("")
    return "\n".join(lines)
