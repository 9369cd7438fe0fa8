"""The harness checks itself with clients of known verdicts, and judges by no family that is wrong."""

import asyncio
import dataclasses
import json
import subprocess
import sys

import pytest

import galeproof.invariants
from galeproof.invariants import INVARIANTS
from galeproof.model import Outcome, Profile
from galeproof.runner import Station, run_catalogue, subject_of
from galeproof.runner.selfcheck import self_check
from galeproof.scenario import find, load_scenario

FAMILIES = {code[:3] for code in INVARIANTS}
TIMED = {"JIT", "RAF", "TMO"}  # what a busy machine may blur
CHECKED = {"ERR": "ERR003", "RTY": "RTY001", "SEC": "SEC001", "IDM": "IDM002", "CON": "CON001", "OAU": "OAU001",
           "OBS": "OBS001", "BUD": "BUD001", "CBK": "CBK001"}


@pytest.fixture
def station():
    with Station("embedded") as made:
        yield made


def _replaced(monkeypatch, codes, outcome):
    """Invariants that say the same of everybody, in the place of the real ones."""
    wrong = dict(INVARIANTS)
    for code in codes:
        real = wrong[code].check
        wrong[code] = dataclasses.replace(wrong[code], check=lambda case, real=real: dataclasses.replace(
            real(case), outcome=outcome, reason=None, timing=False))
    monkeypatch.setattr(galeproof.invariants, "INVARIANTS", wrong)


def test_every_family_tells_a_sound_client_from_a_defective_one(station):
    """All twelve; what rests on time may be noise on a busy machine, and is said to be."""
    found = self_check(station, 7)
    assert {} == found.wrong
    assert FAMILIES == set(found.right) | set(found.undecided)
    assert set(found.undecided) <= TIMED


@pytest.mark.parametrize(("outcome", "says"), [
    (Outcome.PASS, "the defective one PASS"), (Outcome.FAIL, "the sound client FAIL")])
def test_a_family_that_is_wrong_is_not_judged_by(station, monkeypatch, outcome, says):
    """A checker that lets everything pass, or nothing: each family of them is seen, and disabled."""
    _replaced(monkeypatch, CHECKED.values(), outcome)
    found = self_check(station, 7)
    assert set(CHECKED) == set(found.wrong)
    assert all(says in why for why in found.wrong.values())
    scenario = load_scenario(find("503-storm"), frozenset(INVARIANTS))
    target = subject_of("galeproof.cli.demo_clients:Backoff", Profile(max_attempts=4))
    result = asyncio.run(run_catalogue(station, target, [scenario], 7))
    told = {v.code: (v.outcome, v.reason) for v in result.verdicts if v.code[:3] in CHECKED}
    assert told
    assert {(Outcome.UNKNOWN, "harness_fault")} == set(told.values())


def test_the_command_line_checks_itself_by_effort_and_keeps_what_it_found(tmp_path):
    """Where asked: told in a line, kept in run.json, shown in the report."""
    command = [sys.executable, "-m", "galeproof", "run", "503-storm", "--engine", "embedded", "--subject",
               "galeproof.cli.demo_clients:Backoff"]
    run = subprocess.run([*command, "--effort", "ci"], cwd=tmp_path, capture_output=True, text=True,
                         timeout=120)
    assert "self-check: " in run.stderr, run.stderr
    said = json.loads((tmp_path / ".galeproof/latest/run.json").read_text("utf-8"))["self_check"]
    assert (FAMILIES, {}) == (set(said["right"]) | set(said["undecided"]), said["wrong"])
    assert "were told apart by BUD" in (tmp_path / ".galeproof/latest/report.html").read_text("utf-8")
    quick = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert "self-check" not in quick.stderr
