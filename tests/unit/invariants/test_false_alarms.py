"""The union bound of a run's false alarms."""

import inspect
import re
import sys

import pytest

from galeproof.invariants import INVARIANTS, false_alarm_bound
from galeproof.invariants._alphas import ALPHAS
from galeproof.model import Outcome, Verdict


def _verdicts(outcome, codes=tuple(INVARIANTS)):
    return [Verdict(code, "", outcome, "major") for code in codes]


def test_a_whole_run_is_wrong_by_chance_in_less_than_one_of_ten_thousand():
    """The catalogue's goal, over all that can be decided."""
    assert 1e-6 < false_alarm_bound(_verdicts(Outcome.PASS)) < 1e-4


def test_what_was_not_decided_adds_nothing_and_counts_have_no_chance():
    """UNKNOWN is no verdict; a count is a count."""
    assert 0 == false_alarm_bound(_verdicts(Outcome.UNKNOWN))
    assert 0 == false_alarm_bound(_verdicts(Outcome.FAIL, ("RTY001", "IDM001")))
    assert pytest.approx(4.3e-7 + 4e-8) == false_alarm_bound(_verdicts(Outcome.FAIL, ("TMO002", "JIT001")))


def test_every_entry_is_an_invariant():
    """A name that is gone would add nothing."""
    assert set(INVARIANTS) >= set(ALPHAS)


def _source(code):
    """What a checker is made of: its own file, and what that takes from its family."""
    text = inspect.getsource(sys.modules[INVARIANTS[code].check.__module__])
    return text + "".join(inspect.getsource(sys.modules[name]) for name in re.findall(
        rf"from (galeproof\.invariants\.{code[:3].lower()}\._\w+) import", text))


def test_what_is_said_to_take_three_runs_of_three_does():
    """Those whose FAIL may rest on time, and no other; RTY005 has a narrower bound of its own."""
    timed = {code for code in INVARIANTS if "timing=" in _source(code)}
    assert {code for code, alpha in ALPHAS.items() if alpha == 4.3e-7} == timed - {"RTY005"}
