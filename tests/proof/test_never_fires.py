"""A storm whose decisive fault never met the client proves nothing: no PASS, over real sockets."""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from never_fires import FAULTS, MISSES, storms

from galeproof.invariants import INVARIANTS
from galeproof.model import Outcome, parse_profile
from galeproof.runner import Station, run_catalogue, subject_of
from galeproof.runner.selfcheck.checking import PROFILE
from galeproof.scenario import load_scenario

ALL = dict(storms())
FEW = [f"never-{number}-{number % len(MISSES)}" for number in range(0, len(FAULTS), 5)]


@pytest.mark.parametrize("names", [
    pytest.param(FEW, id="few"), pytest.param(sorted(ALL), id="a hundred", marks=pytest.mark.full)])
def test_nothing_passes_where_no_fault_came(tmp_path, names):
    """Each storm runs, each client's call succeeds, and no invariant is held to have been shown."""
    scenarios = []
    for name in names:
        file = tmp_path / f"{name}.yaml"
        file.write_text(ALL[name], "utf-8")
        scenarios.append(load_scenario(file, frozenset(INVARIANTS)))
    subject = subject_of("galeproof.runner.selfcheck.clients:Sound", parse_profile({**PROFILE, "deadline_s": 6.0}))
    with Station("auto", seed=7) as station:
        result = asyncio.run(run_catalogue(station, subject, scenarios, 7))
    assert (None, None) == (result.invalid, result.fault)
    assert len(names) == len(result.judged)
    ends = [e.data["outcome"] for j in result.judged for e in j.history.of("op_end")]
    assert {"ok"} == set(ends)
    assert 4 * len(names) == len(ends)
    assert [] == [(v.code, v.note) for v in result.verdicts if v.outcome is not Outcome.UNKNOWN]


def test_there_are_a_hundred_of_them():
    """Every kind of fault, every way to miss."""
    assert 100 == len(ALL) == len(FAULTS) * len(MISSES)
