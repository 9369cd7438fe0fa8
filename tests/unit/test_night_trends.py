"""A night beside the nights before it: regression, flake, known, new, mended."""

import pytest

from galeproof.runner.nightly.trend import Tally, trends


def night(fails, passes, code="RTY001", scenario="503-storm"):
    return [Tally(code, scenario, fails, passes, 0)]


@pytest.mark.parametrize(("before", "tonight", "kind"), [
    ((0, 9), (9, 0), "regression"), ((0, 9), (1, 8), "flake"), ((9, 0), (9, 0), "known"),
    ((3, 6), (9, 0), "known"), ((9, 0), (0, 9), "mended"), ((0, 9), (0, 9), "sound"),
    ((9, 0), (2, 7), "known"), ((0, 0), (9, 0), "new"), ((2, 7), (1, 8), "flake")])
def test_a_night_is_compared_with_the_one_before(before, tonight, kind):
    """In the same scenario."""
    (found,) = trends([night(*before), night(*tonight)])
    assert kind == found.kind


def test_a_first_failure_without_a_night_before_is_new():
    """Nothing tells whether it worked."""
    (found,) = trends([night(9, 0)])
    assert ("new", ("503-storm",)) == (found.kind, found.where)


def test_a_flake_elsewhere_hides_no_known_failure():
    """The worse of the two is told."""
    before = night(9, 0) + night(0, 9, scenario="429-storm")
    (found,) = trends([before, night(9, 0) + night(1, 8, scenario="429-storm")])
    assert ("known", ("503-storm",)) == (found.kind, found.where)


@pytest.mark.parametrize(("scenarios", "kind", "where"), [
    ({"503-storm"}, "regression", ("429-storm",)), ({"503-storm", "429-storm"}, "accepted", ("429-storm", "503-storm")),
    (set(), "regression", ("429-storm", "503-storm"))])
def test_the_baseline_accepts_a_failure_in_its_scenario(scenarios, kind, where):
    """Where it does not, the failure is told as before."""
    before = night(0, 9) + night(0, 9, scenario="429-storm")
    tonight = night(9, 0) + night(9, 0, scenario="429-storm")
    (found,) = trends([before, tonight], lambda code, scenario: code == "RTY001" and scenario in scenarios)
    assert (kind, where) == (found.kind, found.where)


def test_what_is_accepted_and_holds_is_mended():
    """The baseline takes nothing from good news."""
    (found,) = trends([night(9, 0), night(0, 9)], lambda code, scenario: True)
    assert "mended" == found.kind


def test_a_failure_in_another_scenario_is_a_regression_there():
    """Although the invariant failed elsewhere before."""
    before = night(9, 0) + night(0, 9, scenario="429-storm")
    (found,) = trends([before, night(9, 0) + night(9, 0, scenario="429-storm")])
    assert ("regression", ("429-storm",)) == (found.kind, found.where)


def test_the_line_shows_the_share_of_failures_of_each_night():
    """Oldest first; nights that decided nothing are dots."""
    (found,) = trends([night(0, 0), night(0, 8), night(4, 4), night(8, 0)])
    assert "· ▄█" == found.line


def test_what_needs_looking_at_stands_first():
    """Regressions before known findings."""
    found = trends([night(0, 9) + night(9, 0, "IDM001"), night(9, 0) + night(9, 0, "IDM001")])
    assert ["RTY001", "IDM001"] == [t.code for t in found]
