"""`ci/bench plugin`: what `pytest --collect-only` costs with galeproof installed and unused.

Fresh environments: pytest with httpx alone; the base install; the extra `all`. Interleaved rounds; the
medians, the ratio to the first, and the plugin's own share (with it and with `-p no:galeproof`).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = {"pytest and httpx": ["pytest", "httpx"], "base": [str(ROOT)], "all": [f"{ROOT}[all]"]}
_BARS = {"base against pytest and httpx": 1.25, "own share, ms": 15.0}


def made(folder: Path, packages: list[str]) -> Path:
    """Make an environment; return its Python."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin/python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages],
                   check=True)
    return python


def once(python: Path, project: Path, *more: str) -> float:
    """Collect once; return the seconds."""
    start = time.perf_counter()
    subprocess.run([python, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *more],
                   cwd=project, check=True, stdout=subprocess.DEVNULL, env=_environment())
    return time.perf_counter() - start


def _environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTEST_ADDOPTS")}


def main() -> int:
    """Measure; tell whether the bars are kept."""
    parser = argparse.ArgumentParser(prog="ci/bench plugin")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch, "project")
        project.mkdir()
        (project / "test_one.py").write_text("def test_one():\n    pass\n", "utf-8")
        pythons = {name: made(Path(scratch, f"env-{number}"), packages)
                   for number, (name, packages) in enumerate(ENVIRONMENTS.items())}
        runs = {name: (python, ()) for name, python in pythons.items()}
        runs["base, plugin off"] = (pythons["base"], ("-p", "no:galeproof"))
        times: dict[str, list[float]] = {name: [] for name in runs}
        for number in range(given.rounds + 1):
            for name, (python, more) in runs.items():
                took = once(python, project, *more)
                if number:  # the first one compiles
                    times[name].append(took)
    medians = {name: statistics.median(values) for name, values in times.items()}
    share = statistics.median(a - b for a, b in zip(times["base"], times["base, plugin off"], strict=True))
    told = {"medians_s": {n: round(m, 3) for n, m in medians.items()},
            "base against pytest and httpx": round(statistics.median(
                a / b for a, b in zip(times["base"], times["pytest and httpx"], strict=True)), 3),
            "all against pytest and httpx": round(medians["all"] / medians["pytest and httpx"], 3),
            "own share, ms": round(1000 * share, 1)}
    kept = all(told[name] <= bar for name, bar in _BARS.items())
    print(json.dumps({**told, "bars": _BARS, "kept": kept}) if given.json else "\n".join(
        [*(f"{name}: {value}" for name, value in told.items()),
         f"bars: {_BARS}; {'kept' if kept else 'NOT kept'}"]))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
