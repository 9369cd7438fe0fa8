"""``[tool.galeproof]``: read from pyproject.toml, else from galeproof.toml."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from galeproof.errors import UsageError
from galeproof.invariants import INVARIANTS
from galeproof.model import Outcome, Profile, Verdict, parse_profile
from galeproof.model.verdict import SEVERITIES
from galeproof.runner.subjects import Subject, subject_of

__all__ = ["Config", "load_config", "weighed"]

_KEYS = frozenset({"fail_on", "select", "ignore", "severity", "strict", "baseline", "subjects"})
_SUBJECT = frozenset({"python", "exec", "driver", "profile", "operations", "secrets"})


@dataclass(frozen=True, slots=True)
class Config:
    """What the project's owner set."""

    source: str = "no settings"
    fail_on: str = "major"
    strict: bool = False
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    severity: Mapping[str, str] = field(default_factory=dict)
    subjects: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def codes(self) -> frozenset[str]:
        """Return the invariants that the project wants judged: selected, and not ignored."""
        wanted = {code for code in INVARIANTS if not self.select or code.startswith(self.select)}
        return frozenset(code for code in wanted
                         if not self.ignore or not code.startswith(self.ignore))

    def fails(self, verdict: Verdict) -> bool:
        """Whether a verdict is a finding at or above ``fail_on``."""
        return verdict.outcome is Outcome.FAIL and (
            SEVERITIES.index(verdict.severity) >= SEVERITIES.index(self.fail_on))

    def subject(self, name: str | None) -> Subject:
        """Return a subject by its name in the settings, or by ``module:attribute``.

        Raises:
            UsageError: No such subject.
        """
        if name is None:
            if len(self.subjects) != 1:
                known = ", ".join(self.subjects) or "none in the settings"
                raise UsageError(f"--subject: which one? known: {known}; or module:attribute")
            name = next(iter(self.subjects))
        if name in self.subjects:
            table = self.subjects[name]
            profile = self._profile(table.get("profile", {}), name)
            if "python" not in table:
                raise UsageError(f"{self.source}: subjects.{name}: only python = "
                                 '"module:attribute" is built so far')
            return subject_of(table["python"], profile, name)
        if ":" in name:
            return subject_of(name, Profile(strict=self.strict))
        raise UsageError(f"--subject {name!r}: not in the settings "
                         f"(known: {', '.join(self.subjects) or 'none'}) and no module:attribute")

    def _profile(self, table: Mapping[str, Any], name: str) -> Profile:
        given = dict(table)
        if self.strict:
            given["strict"] = True
        return parse_profile(given, f"{self.source}: subjects.{name}.profile")


def weighed(verdicts: Sequence[Verdict], severity: Mapping[str, str]) -> list[Verdict]:
    """Return the verdicts with the severities that the project sets, by code."""
    return [dataclasses.replace(v, severity=severity.get(v.code, v.severity)) for v in verdicts]


def load_config(folder: Path) -> Config:
    """Read the settings of a folder; none is fine.

    Raises:
        UsageError: A damaged file, an unknown key or value: names file, key and what is allowed.
    """
    for name in ("pyproject.toml", "galeproof.toml"):
        path = folder / name
        if not path.exists():
            continue
        try:
            data = tomllib.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{path}: {error}") from None
        table = data.get("tool", {}).get("galeproof") if name == "pyproject.toml" else (
            data.get("tool", {}).get("galeproof", data))
        if table is not None:
            return _config(table, name)
    return Config()


def _config(table: Mapping[str, Any], source: str) -> Config:
    for key in table:
        if key not in _KEYS:
            raise UsageError(f"{source}: tool.galeproof.{key}: unknown key; "
                             f"allowed: {', '.join(sorted(_KEYS))}")
    fail_on = _severity(table.get("fail_on", "major"), f"{source}: tool.galeproof.fail_on")
    severity = table.get("severity", {})
    if not isinstance(severity, Mapping):
        raise UsageError(f"{source}: tool.galeproof.severity: expected a table: RTY001 = \"minor\"")
    for code, value in severity.items():
        if code not in INVARIANTS:
            raise UsageError(f"{source}: tool.galeproof.severity.{code}: no such invariant; "
                             f"known: {', '.join(INVARIANTS)}")
        _severity(value, f"{source}: tool.galeproof.severity.{code}")
    subjects = table.get("subjects", {})
    for name, subject in subjects.items():
        for key in subject:
            if key not in _SUBJECT:
                raise UsageError(f"{source}: tool.galeproof.subjects.{name}.{key}: unknown key; "
                                 f"allowed: {', '.join(sorted(_SUBJECT))}")
    return Config(source, fail_on, bool(table.get("strict", False)),
                  _prefixes(table, "select", source), _prefixes(table, "ignore", source),
                  dict(severity), subjects)


def _severity(value: Any, where: str) -> str:
    if value not in SEVERITIES:
        raise UsageError(f"{where}: {value!r}; allowed: {', '.join(SEVERITIES)}")
    return str(value)


def _prefixes(table: Mapping[str, Any], key: str, source: str) -> tuple[str, ...]:
    """Codes or families, as in ``select = ["RTY", "SEC001"]``."""
    given = table.get(key, ())
    known = sorted({code[:3] for code in INVARIANTS})
    if not isinstance(given, list | tuple):
        raise UsageError(f"{source}: tool.galeproof.{key}: expected a list of codes or families")
    for prefix in given:
        if not isinstance(prefix, str) or (prefix not in INVARIANTS and prefix not in known):
            raise UsageError(f"{source}: tool.galeproof.{key}: {prefix!r}; allowed: codes, or "
                             f"families ({', '.join(known)})")
    return tuple(given)
