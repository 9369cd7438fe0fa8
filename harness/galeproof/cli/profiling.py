"""``galeproof profile``: what a client does, measured; and a lock that tells when it changes."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from galeproof.errors import UsageError
from galeproof.kernel.chance import new_seed
from galeproof.report.plain import one_line
from galeproof.runner import Station
from galeproof.runner.config import load_config
from galeproof.runner.measuring import Measured, differences, measure
from galeproof.runner.measuring.measure import as_profile

__all__ = ["profile_command"]


def profile_command(wanted: str | Mapping[str, str] | None, engine: str, seed: int | None, quick: bool,
                    lock: Path | None, check: Path | None, as_json: bool) -> int:
    """Measure; print the profile, keep or compare it.

    Returns:
        0; 1 where the client does otherwise than the lock file says.

    Raises:
        UsageError: No such subject, or a lock file that cannot be read or written.
    """
    config = load_config(Path.cwd())
    subject = config.foreign(wanted) if isinstance(wanted, Mapping) else config.subject(wanted)
    before = _read(check) if check else None
    seed = new_seed() if seed is None else seed
    with Station(engine, seed=seed) as station:
        number = iter(range(1, 1000))
        measured = asyncio.run(measure(station, subject, seed=seed, quick=quick,
                                       tell=lambda name: _say(f"  {next(number)}  {name}")))
    if lock:
        try:
            lock.write_text(json.dumps(measured.as_json(), indent=1) + "\n", "utf-8")
        except OSError as error:
            raise UsageError(f"--lock {lock}: {error.strerror or error}") from None
    found = differences(before, measured.as_json()) if before else []
    if as_json:
        print(json.dumps({**measured.as_json(), "profile": as_profile(measured), "differences": found}))
    else:
        _print(measured, subject.name)
        for text in found:
            print(f"CHANGED  {text}")
        if before:
            print(f"galeproof: {len(found)} differences to {check} (exit {int(bool(found))})")
    return int(bool(found))


def _read(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text("utf-8"))
        if told["schema"] != 1 or not isinstance(told["values"], dict):
            raise ValueError("another schema")
        return dict(told)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"--check {path}: no lock file of galeproof profile ({error})") from None


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _print(measured: Measured, name: str) -> None:
    for what, value in sorted(measured.values.items()):
        print(f"{what:<24} {value.confidence:<9} {one_line(value.evidence)}")
    for note in measured.notes:
        print(f"{'':<24} {'':<9} {one_line(note)}")
    print(f"\n[tool.galeproof.subjects.{json.dumps(name) if ':' in name or ' ' in name else name}.profile]")
    for line in as_profile(measured):
        print(line)
