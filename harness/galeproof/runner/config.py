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
from galeproof.runner.baseline import Baseline, read_baseline
from galeproof.runner.subjects import Subject, subject_of

__all__ = ["Config", "load_config", "weighed"]

_KEYS = frozenset({"fail_on", "select", "ignore", "severity", "strict", "baseline", "subjects"})
_WAYS = ("python", "exec", "driver")
_SUBJECT = frozenset({*_WAYS, "hosts", "profile", "operations", "routes", "secrets"})


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
    baseline: Path | None = None

    def accepted(self) -> Baseline:
        """Read the baseline; an empty one where none is set, or its file is not there yet."""
        if self.baseline is None or not self.baseline.exists():
            return Baseline()
        return read_baseline(self.baseline)

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
            where = f"{self.source}: subjects.{name}"
            made = subject_of(_target(table, profile, where), profile, name, where)
            hosts = table.get("hosts", ())
            if not isinstance(hosts, list | tuple) or not all(isinstance(h, str) for h in hosts):
                raise UsageError(f"{where}.hosts: expected a list of host names, not {hosts!r}")
            return made.through_a_proxy(hosts) if hosts else made
        if ":" in name:
            return subject_of(name, Profile(strict=self.strict))
        raise UsageError(f"--subject {name!r}: not in the settings "
                         f"(known: {', '.join(self.subjects) or 'none'}) and no module:attribute")

    def foreign(self, target: Mapping[str, Any]) -> Subject:
        """Return the subject of a command line (``{"exec": ...}`` or ``{"driver": ...}``).

        The settings of the one that has the same command are taken with it.
        """
        way, line = next(iter(target.items()))
        for name, table in self.subjects.items():
            if table.get(way) == line:
                return self.subject(name)
        return subject_of(target, Profile(strict=self.strict), where=f"--{way}")

    def _profile(self, table: Mapping[str, Any], name: str) -> Profile:
        given = dict(table)
        if self.strict:
            given["strict"] = True
        return parse_profile(given, f"{self.source}: subjects.{name}.profile")


def _target(table: Mapping[str, Any], profile: Profile, where: str) -> str | Mapping[str, Any]:
    """How a subject is started: exactly one way; operations of a foreign one may stand in its table,
    in its profile, or in both."""
    ways = [way for way in _WAYS if way in table]
    if len(ways) != 1:
        raise UsageError(f"{where}: expected one of {', '.join(_WAYS)}, not "
                         f"{' and '.join(ways) or 'none'}")
    if ways == ["python"]:
        return str(table["python"])
    operations = {name: told for name, given in profile.operations.items()
                  if (told := given.model_dump(exclude_unset=True, exclude={"naturally_idempotent"}))}
    for name, told in _table(table.get("operations", {}), f"{where}.operations").items():
        operations[name] = operations.get(name, {}) | dict(_table(told, f"{where}.operations.{name}"))
    kept = {key: table[key] for key in (*ways, "routes", "secrets") if key in table}
    return {**kept, "operations": operations}


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
        tool = _table(data.get("tool", {}), f"{name}: tool")
        if "galeproof" in tool or name == "galeproof.toml":
            return _config(_table(tool.get("galeproof", data), f"{name}: tool.galeproof"), name)
    return Config()


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UsageError(f"{where}: expected a table, not {value!r}")
    return value


def _known(table: Mapping[str, Any], allowed: frozenset[str], where: str) -> None:
    for key in table:
        if key not in allowed:
            raise UsageError(f"{where}.{key}: unknown key; allowed: {', '.join(sorted(allowed))}")


def _config(table: Mapping[str, Any], source: str) -> Config:
    where = f"{source}: tool.galeproof"
    _known(table, _KEYS, where)
    given = table.get("baseline")
    if given is not None and not isinstance(given, str):
        raise UsageError(f"{where}.baseline: expected the path of a file")
    strict = table.get("strict", False)
    if not isinstance(strict, bool):
        raise UsageError(f"{where}.strict: {strict!r}; allowed: true, false")
    severity = _table(table.get("severity", {}), f"{where}.severity")
    for code, value in severity.items():
        if code not in INVARIANTS:
            raise UsageError(f"{where}.severity.{code}: no such invariant; "
                             f"known: {', '.join(INVARIANTS)}")
        _severity(value, f"{where}.severity.{code}")
    subjects = _table(table.get("subjects", {}), f"{where}.subjects")
    for name, subject in subjects.items():
        _known(_table(subject, f"{where}.subjects.{name}"), _SUBJECT, f"{where}.subjects.{name}")
        _table(subject.get("profile", {}), f"{where}.subjects.{name}.profile")
        if not isinstance(subject.get("python", ""), str):
            raise UsageError(f'{where}.subjects.{name}.python: expected "module:attribute"')
    return Config(source, _severity(table.get("fail_on", "major"), f"{where}.fail_on"), strict,
                  _prefixes(table, "select", source), _prefixes(table, "ignore", source),
                  dict(severity), subjects, Path(given) if given is not None else None)


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
