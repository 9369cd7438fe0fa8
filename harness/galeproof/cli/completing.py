"""What a shell offers behind a half-typed word: ``(word, help)`` pairs. Never raises: it would be shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from galeproof.errors import HarnessError
from galeproof.invariants import INVARIANTS
from galeproof.report.plain import one_line

__all__ = ["codes", "efforts", "engines", "forms", "runs", "storms", "subjects"]

Offer = list[tuple[str, str]]
_WHY = re.compile(r"^why:\s*(.+)$", re.MULTILINE)
_MOST_RUNS = 20


def storms(incomplete: str) -> Offer:
    """Offer scenarios that ship, codes and families; files are the shell's own."""
    return _of(incomplete, [*_scenarios(), *_codes(), *_families()])


def codes(incomplete: str) -> Offer:
    """Offer codes of invariants."""
    return _of(incomplete, _codes())


def subjects(incomplete: str) -> Offer:
    """Offer the subjects of the settings of the working folder."""
    from galeproof.runner.config import load_config  # here: a shell waits, and only this needs it

    try:
        config = load_config(Path.cwd())
    except HarnessError:
        return []
    return _of(incomplete, [(name, config.source) for name in config.subjects])


def runs(incomplete: str) -> Offer:
    """Offer the kept runs of the working folder, the latest first."""
    base = Path(".galeproof")
    kept = sorted((base / "runs").glob("*/run.json"), reverse=True)[:_MOST_RUNS]
    latest = [(str(base / "latest"), "the latest")] if (base / "latest").exists() else []
    return _of(incomplete, [*latest, *((str(file.parent), "") for file in kept)])


def engines(incomplete: str) -> Offer:
    """Offer what carries the lanes; a URL is typed."""
    return _of(incomplete, [("auto", "the real Toxiproxy where it is found"), ("toxiproxy", "the real one"),
                            ("embedded", "our own server")])


def efforts(incomplete: str) -> Offer:
    """Offer the values of ``--effort``."""
    return _of(incomplete, [("quick", ""), ("ci", "the harness checks itself first"),
                            ("nightly", "and the scenarios that take a minute each")])


def forms(incomplete: str) -> Offer:
    """Offer the values of ``--format``."""
    return _of(incomplete, [(form, "") for form in ("html", "markdown", "junit", "sarif", "json")])


def _of(incomplete: str, offered: Iterable[tuple[str, str]]) -> Offer:
    return [(word, one_line(told, 100)) for word, told in offered if word.startswith(incomplete)]


def _scenarios() -> Iterator[tuple[str, str]]:
    from galeproof.scenario import shipped

    for path in shipped():  # not parsed: a shell waits for this
        why = _WHY.search(path.read_text("utf-8"))
        yield path.stem, why[1] if why else ""


def _codes() -> Iterator[tuple[str, str]]:
    for code, invariant in INVARIANTS.items():
        yield code, invariant.name


def _families() -> Iterator[tuple[str, str]]:
    for family in dict.fromkeys(code[:3] for code in INVARIANTS):
        yield family, f"all {sum(code.startswith(family) for code in INVARIANTS)} of the family"
