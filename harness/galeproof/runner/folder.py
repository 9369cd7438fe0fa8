"""The kept run: a folder with histories, scenarios, verdicts and facts."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from galeproof.errors import HistoryError, UsageError
from galeproof.invariants import INVARIANTS
from galeproof.model import dump_history, read_history
from galeproof.model.verdict import SEVERITIES
from galeproof.runner.judging import Judged

__all__ = ["RunFolder", "read_run"]

_HISTORY = "history.jsonl"
_SCHEMA = 1
_FACTS = frozenset({"version", "engine", "seed", "subject", "target", "profile", "fail_on",
                    "scenarios", "kept"})
_HEADER = frozenset({"scenario", "seed", "profile", "refs", "secrets", "words"})


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's folder; several scenarios have a sub-folder each."""

    path: Path

    @classmethod
    def new(cls, base: Path) -> RunFolder:
        """Make a fresh folder under ``base`` (which ignores itself in git).

        Raises:
            UsageError: It cannot be written to.
        """
        try:
            return cls._new(base)
        except OSError as error:
            raise UsageError(f"--output {base}: {error.strerror or error}") from None

    @classmethod
    def _new(cls, base: Path) -> RunFolder:
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M")
        path = base / "runs" / f"{stamp}-{secrets.token_hex(2)}"
        path.mkdir(parents=True)
        ignore = base / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", "utf-8")
        return cls(path)

    def keep(self, name: str, judged: Judged, source: str, *, single: bool) -> None:
        """Write one scenario's histories and its text."""
        place = self.keep_source(name, source, single=single)
        (place / _HISTORY).write_text(dump_history(judged.history), "utf-8")
        for number, rerun in enumerate(judged.reruns, 1):
            (place / f"rerun-{number}.jsonl").write_text(dump_history(rerun), "utf-8")

    def keep_source(self, name: str, source: str, *, single: bool) -> Path:
        """Write one scenario's text; return its folder."""
        place = self.path if single else self.path / name
        place.mkdir(exist_ok=True)
        (place / "scenario.yaml").write_text(source, "utf-8")
        return place

    def write(self, name: str, value: Mapping[str, Any]) -> None:
        """Write one JSON file."""
        (self.path / name).write_text(json.dumps(value, indent=1) + "\n", "utf-8")

    def discard_if_empty(self) -> None:
        """Remove the folder of a run that was refused before anything was recorded."""
        if not (self.path / "run.json").exists():
            shutil.rmtree(self.path, ignore_errors=True)

    def mark_latest(self) -> None:
        """Point ``latest`` here."""
        link = self.path.parent.parent / "latest"
        fresh = link.with_name(f".latest-{os.getpid()}")
        fresh.symlink_to(self.path.relative_to(link.parent), target_is_directory=True)
        fresh.replace(link)


def _check_facts(facts: Mapping[str, Any], path: Path) -> None:
    if facts.get("schema") != _SCHEMA:
        raise HistoryError(f"{path}: schema {facts.get('schema')!r}, this program reads {_SCHEMA}")
    unknown = sorted(set(facts.get("codes") or ()) - set(INVARIANTS))
    if unknown:
        raise HistoryError(f"{path}: codes: {unknown[0]!r} is no invariant that is built")
    if facts["fail_on"] not in SEVERITIES:
        raise HistoryError(f"{path}: fail_on: {facts['fail_on']!r}; allowed: {', '.join(SEVERITIES)}")


def read_run(path: Path) -> tuple[Mapping[str, Any], list[Judged], list[Path]]:
    """Read a kept run.

    Returns:
        The facts of ``run.json``, the scenarios in their order, and their scenario files.

    Raises:
        HistoryError: It is no kept run, or damaged.
    """
    try:
        facts = json.loads((path / "run.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        why = "no run.json in it" if isinstance(error, FileNotFoundError | NotADirectoryError) else error
        raise HistoryError(f"{path}: not a kept run ({why}): name a folder of .galeproof/runs, or "
                           ".galeproof/latest") from None
    missing = sorted(_FACTS - set(facts)) if isinstance(facts, dict) else ["a mapping"]
    if missing:
        raise HistoryError(f"{path / 'run.json'}: damaged: lacks {', '.join(missing)}")
    _check_facts(facts, path / "run.json")
    names: Sequence[str] = facts["scenarios"]
    places = [path] if len(names) == 1 else [path / name for name in names]
    runs = [
        Judged(read_history(place / _HISTORY),
               tuple(read_history(p) for p in sorted(place.glob("rerun-*.jsonl"))))
        for name, place in zip(names, places, strict=True) if name in facts["kept"]
    ]
    for run in runs:
        if not _HEADER <= set(run.history.header):
            raise HistoryError(f"{path}: a history's header lacks "
                               f"{', '.join(sorted(_HEADER - set(run.history.header)))}")
    return facts, runs, [place / "scenario.yaml" for place in places]
