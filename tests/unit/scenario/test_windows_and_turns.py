"""Steps for some operations or some time, values in turn, groups side by side, and what a run leaves out."""

from __future__ import annotations

import pytest

from galeproof.cli.running import choose
from galeproof.errors import ScenarioError
from galeproof.faults.steps import Schedule, schedule_from_dict
from galeproof.kernel.recorder import Recorder
from galeproof.model import Outcome, Profile, Verdict
from galeproof.runner.judging import Judged, demanded
from galeproof.runner.weather import _rows
from galeproof.runner.workload import Group, groups_of
from galeproof.scenario import load_scenario, parse_scenario, schedule_of, shipped
from galeproof.scenario.model import Scenario
from galeproof.subject.description import SubjectDescription
from galeproof.subject.marks import OperationSpec
from galeproof.tap import Tap

HEAD = "name: x\nwhy: y\noperations:\n  - {kind: read, count: 4}\nsteps:\n"
REFS = ["opa", "opb", "opc", "opd"]


def _schedule(steps: str) -> Schedule:
    made = schedule_of(parse_scenario(HEAD + steps, "x.yaml", set()), Profile())
    assert isinstance(made, Schedule)
    return made


def _tap(steps: str, raw: list | None = None) -> Tap:
    tap = Tap(Recorder((raw if raw is not None else []).append))
    tap.begin(REFS, [step.as_dict() for step in _schedule(steps).steps], {}, [], 7)
    return tap


def test_a_step_for_some_operations_spares_the_others():
    """Counted from 1, in the order of their references; what is spared, a later step may have."""
    tap = _tap("  - {attempts: 1-, operations: 2-3, answer: 503}\n  - {attempts: 1, answer: 429}\n")
    assert ["429", "503", "503", "429"] == [tap.step(ref, 1)["word"] for ref in REFS]
    assert {} == tap.step("opa", 2)


def test_a_window_begins_with_the_first_request(monkeypatch):
    """From 2 s to 4 s after it, whenever that is; the plan goes into the history."""
    raw: list = []
    tap = _tap("  - {attempts: 1-, from_s: 2, to_s: 4, answer: 503}\n", raw)
    at = {"ns": 50_000_000_000}
    monkeypatch.setattr("galeproof.tap.tap.now_ns", lambda: at["ns"])
    assert {} == tap.step("opa", 1)
    tap._begin_windows()
    found = []
    for seconds in (0, 1.9, 2.0, 3.9, 4.0, 60):
        at["ns"] = 50_000_000_000 + int(seconds * 1e9)
        found.append(tap.step("opa", 1).get("word"))
    assert [None, None, "503", "503", None, None] == found
    window = next(event for event in raw if event[3] == "window")
    assert (52_000_000_000, 54_000_000_000, {"step": 0, "word": "503", "open_ended": False}) == (
        window[0], window[1], window[6])


def test_header_values_come_in_turn():
    """One for each operation, Latin-1 and nothing at all among them."""
    tap = _tap('  - {attempts: 1-, answer: {status: 503, headers: {X-A: "b"}, headers_each: '
               '{Retry-After: ["-1", "\\u00b2", ""]}}}\n')
    assert ["-1", "\u00b2", "", "-1"] == [
        tap.step(ref, 1)["answer"]["headers"]["Retry-After"] for ref in REFS]
    assert "b" == tap.step("opa", 1)["answer"]["headers"]["X-A"]


def test_a_schedule_with_all_of_it_survives_its_own_json():
    """What the world's process is given is what was planned."""
    schedule = _schedule("  - {attempts: 1, operations: 2-, from_s: 1, to_s: 2.5, answer: {status: 503, "
                         "headers_each: {X-A: [a, b]}}}\n")
    assert schedule == schedule_from_dict(schedule.as_dict())


@pytest.mark.parametrize(("steps", "problem"), [
    ("  - {attempts: 1, from_s: 3, to_s: 2}\n", "must come after from_s"),
    ("  - {attempts: 1, operations: 3-1}\n", "impossible range"),
    ("  - {attempts: 1, answer: {headers_each: {Content-Length: ['1']}}}\n", "not the origin's own"),
    ("  - {attempts: 1, answer: {headers_each: {X-A: [\"\\u2603\"]}}}\n", "printable Latin-1"),
    ("  - {attempts: 1}\ntogether: true\n", "needs starts: 2 or more"),
    ("  - {attempts: 1}\neffort: weekly\n", "quick"),
])
def test_what_cannot_be_is_refused_by_name(steps, problem):
    """With the key, and what is allowed."""
    with pytest.raises(ScenarioError, match=problem):
        parse_scenario(HEAD + steps, "x.yaml", set())


def test_the_first_group_has_nobody_beside_it():
    """There is no group before it."""
    with pytest.raises(ScenarioError, match="no group before it"):
        parse_scenario(HEAD.replace("count: 4", "count: 4, beside: true") + "  []\n", "x.yaml", set())


def test_groups_beside_one_another_run_in_one_row():
    """One at a time they run one after the other all the same."""
    made = [(Group("a", "read", 1, 1, 0.0, beside=beside), []) for beside in (False, True, False, True, True)]
    assert [2, 3] == [len(row) for row in _rows(made, False)]
    assert [1] * 5 == [len(row) for row in _rows(made, True)]


def test_an_operation_at_the_other_origin_serves_only_groups_that_ask_for_it():
    """And the others never meet it."""
    told = SubjectDescription("s", {"other": OperationSpec("read", origin="other"),
                                    "fetch": OperationSpec("read")}, {}, True)
    groups = [{"kind": "read", "count": 1}, {"kind": "read", "count": 1, "origin": "other"}]
    scenario = Scenario(name="x", why="x", operations=groups)
    assert ["fetch", "other"] == [group.operation for group in groups_of(scenario, told, Profile())]


def test_a_family_is_a_word_for_its_codes():
    """CBK takes all five, and their scenarios alone."""
    scenarios, codes = choose(["CBK"])
    assert {f"CBK00{n}" for n in range(1, 6)} == codes
    assert {"long-outage", "wrong-identifiers", "one-provider-of-two"} == {s.name for s in scenarios}


def test_what_takes_a_minute_is_of_nightly_effort():
    """Budgets and breakers; all else is quick."""
    nightly = {s.name for s in (load_scenario(p, set(choose(["CBK", "BUD"])[1]) | _codes()) for p in shipped())
               if s.effort == "nightly"}
    assert {"long-outage", "outage-of-three-hundred", "hung-endpoint", "wrong-identifiers",
            "one-provider-of-two", "timed-out-then-well"} == nightly


def _codes() -> set[str]:
    from galeproof.invariants import INVARIANTS

    return set(INVARIANTS)


def _unknown(code: str, reason: str) -> Verdict:
    return Verdict(code, "x", Outcome.UNKNOWN, "minor", reason)


def test_what_a_policy_need_not_reach_leaves_a_run_decided():
    """No cap reached, no RateLimit promised; a noise or a missing deadline is demanded all the same."""
    from galeproof.model import make_history

    history = make_history({"scenario": "x", "expect": {"exercised": ["JIT003", "RAF005", "TMO006"]}}, [])
    runs = [Judged(history)]
    told = [_unknown("JIT003", "not_exercised"), _unknown("RAF005", "undeclared"), _unknown("TMO006", "undeclared")]
    assert {"TMO006"} == demanded(runs, told)
    assert {"JIT003", "RAF005", "TMO006"} == demanded(runs, [_unknown("JIT003", "noise"),
                                                             _unknown("RAF005", "noise"), told[2]])


