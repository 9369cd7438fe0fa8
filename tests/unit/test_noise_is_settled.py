"""An expected verdict that ends in noise is run again; a quiet rerun settles it."""

import pytest

from galeproof.invariants import INVARIANTS
from galeproof.model import Finding, History, Outcome, Verdict
from galeproof.runner import judging
from galeproof.runner.catalogue import needs_rerun
from galeproof.runner.judging import Judged, judge_one, judge_runs

NOISE = Verdict("JIT001", "jitter-present", Outcome.UNKNOWN, "major", reason="noise")
PASS = Verdict("JIT001", "jitter-present", Outcome.PASS, "major")
FAIL = Verdict("JIT001", "jitter-present", Outcome.FAIL, "major", findings=(Finding(None, (3,), "narrow"),))
TIMED = Verdict("JIT001", "jitter-present", Outcome.FAIL, "major", timing=True)


def _history(verdict, expected=("JIT001",)):
    return History({"scenario": "s", "verdict": verdict, "expect": {"exercised": list(expected)}}, ())


@pytest.fixture(autouse=True)
def _judge(monkeypatch):
    monkeypatch.setattr(judging, "judge", lambda history, profile, codes: [history.header["verdict"]])


@pytest.mark.parametrize(("first", "again", "outcome", "reason"), [
    (NOISE, (), "UNKNOWN", "noise"), (NOISE, (NOISE, NOISE), "UNKNOWN", "noise"),
    (NOISE, (NOISE, PASS), "PASS", None), (NOISE, (PASS, FAIL), "FAIL", None),
    (NOISE, (TIMED, TIMED), "UNKNOWN", "noise"), (NOISE, (TIMED, PASS), "UNKNOWN", "noise"),
    (TIMED, (TIMED, TIMED), "FAIL", None), (TIMED, (TIMED, NOISE), "UNKNOWN", "noise"),
    (FAIL, (PASS, PASS), "FAIL", None), (PASS, (FAIL, FAIL), "PASS", None)])
def test_what_the_reruns_say(first, again, outcome, reason):
    """A timing FAIL needs three of three; another needs one run that shows it."""
    (verdict,) = judge_one(Judged(_history(first), tuple(map(_history, again))))
    assert (outcome, reason) == (verdict.outcome.value, verdict.reason)


def test_a_finding_of_a_rerun_points_at_no_event_of_the_first_history():
    """Its indices would name other events."""
    (verdict,) = judge_one(Judged(_history(NOISE), (_history(FAIL),)))
    assert [((), "narrow")] == [(f.evidence, f.text) for f in verdict.findings]
    assert "seen in a rerun" == verdict.note


@pytest.mark.parametrize(("verdict", "expected", "wanted"), [
    (NOISE, ("JIT001",), True), (NOISE, (), False), (TIMED, (), True), (FAIL, ("JIT001",), False),
    (PASS, ("JIT001",), False)])
def test_what_is_run_again(verdict, expected, wanted):
    """Expected noise, and every FAIL that rests on time."""
    assert "JIT001" in INVARIANTS
    assert wanted == needs_rerun(Judged(_history(verdict, expected)), None)


def _run(name, verdict, expected):
    return Judged(History({"scenario": name, "verdict": verdict,
                           "expect": {"exercised": list(expected)}}, ()))


@pytest.mark.parametrize(("made_for_it", "outcome"), [((), "PASS"), (("JIT001",), "UNKNOWN")])
def test_noise_takes_nothing_from_a_storm_that_was_made_for_the_invariant(made_for_it, outcome):
    """Noise of a scenario that does not exercise it leaves a PASS; of one that does, it is open."""
    runs = [_run("herd", PASS, ("JIT001",)), _run("crowd", NOISE, made_for_it)]
    (verdict,) = judge_runs(runs)
    assert outcome == verdict.outcome.value


def test_noise_alone_stays_noise():
    """Nothing is left out where nothing else decides."""
    (verdict,) = judge_runs([_run("herd", NOISE, ("JIT001",)), _run("crowd", NOISE, ())])
    assert ("UNKNOWN", "noise") == (verdict.outcome.value, verdict.reason)
