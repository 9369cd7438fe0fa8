"""One run a scenario, however many xdist workers: the first to come runs, the others read."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from galeproof.runner import Judged, RunFolder, judge_runs, read_run
from galeproof.runner.catalogue import CatalogueResult
from galeproof.runner.weather import Run
from galeproof.scenario import Scenario

__all__ = ["once"]


def once(place: Path, scenario: Scenario, run: Callable[[], CatalogueResult],
         facts: Callable[[CatalogueResult], dict[str, object]]) -> CatalogueResult:
    """Return a scenario's result: run here, or as another worker has left it.

    Args:
        place: A folder that the workers of one test run share.
        scenario: What to run.
        run: Runs it.
        facts: What ``run.json`` says of a result.
    """
    place.mkdir(parents=True, exist_ok=True)
    folder = RunFolder(place / scenario.name)
    with _alone(place / f"{scenario.name}.lock"):  # released by the kernel where a worker dies
        if (folder.path / "done").exists():
            return _read(folder.path, scenario)
        result = run()
        folder.path.mkdir(exist_ok=True)
        for judged in result.judged:
            folder.keep(scenario.name, judged, scenario.source, single=True)
        folder.write("run.json", facts(result))
        (folder.path / "done").touch()
        return result


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(path: Path, scenario: Scenario) -> CatalogueResult:
    said = json.loads((path / "run.json").read_text("utf-8"))
    runs: list[Judged] = read_run(path)[1] if said["kept"] else []
    skipped = said["not_applicable"].get(scenario.name)
    made = Run(scenario.name, runs[0].history if runs else None, said["invalid"], said["fault"],
               skipped, tuple(scenario.expect.exercised))
    return CatalogueResult((made,), tuple(runs), tuple(judge_runs(runs)))
