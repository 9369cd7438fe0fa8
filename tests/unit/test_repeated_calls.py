"""A caller may call again with the same reference: attribution tells the calls apart by time."""

from galeproof.model import make_history
from galeproof.model.attribution import attribute
from galeproof.model.profile import Profile
from galeproof.runner.workload import calls_of, groups_of
from galeproof.scenario.model import Scenario
from galeproof.subject.description import SubjectDescription
from galeproof.subject.marks import OperationSpec

REF = "opaaaaaa"


def _call(raw, at, x, ref=REF):
    raw += [(at, at, "subject", "op_start", None, ref, {"name": "create", "kind": "write"}),
            (at + 2, at + 3, "tap", "head", x, ref, {"x": x, "method": "POST", "target": f"/{ref}"}),
            (at + 9, at + 9, "subject", "op_end", None, ref, {"outcome": "failed", "value": at})]


def test_each_call_gets_its_own_attempts_and_outcome():
    """Two calls of one reference are two operations in the order of their starts."""
    raw = []
    _call(raw, 0, 1)
    _call(raw, 20, 2, "opbbbbbb")
    _call(raw, 40, 3)
    found = attribute(make_history({"refs": [REF, "opbbbbbb"]}, raw)).operations
    assert [(REF, [1], 0), ("opbbbbbb", [2], 20), (REF, [3], 40)] == [
        (o.ref, [a.x for a in o.attempts], o.end.data["value"]) for o in found]


def test_a_late_attempt_of_the_first_call_stays_with_it():
    """Sent after its end and before the second call began."""
    raw = []
    _call(raw, 0, 1)
    raw.append((15, 16, "tap", "head", 2, REF, {"x": 2, "method": "POST", "target": f"/{REF}"}))
    _call(raw, 40, 3)
    assert [[1, 2], [3]] == [
        [a.x for a in o.attempts] for o in attribute(make_history({"refs": [REF]}, raw)).operations]


def test_a_group_that_calls_again_keeps_the_references_and_changes_amount_and_key():
    """The same business, another payload, and therefore another key of the caller's."""
    group = {"kind": "write", "count": 3}
    scenario = Scenario(name="again", why="x", operations=[group, {**group, "again": True}])
    told = SubjectDescription("s", {"create": OperationSpec("write")}, {}, True)
    (_, first), (_, second) = calls_of(scenario, groups_of(scenario, told, Profile()), Profile(), 7, "storm")
    assert [c.ref for c in first] == [c.ref for c in second]
    assert set() == {c.args["amount"] for c in first} & {c.args["amount"] for c in second}
    assert [f"key-{c.ref}-" for c in first] == [c.args["key"][:-36] for c in second]
    assert set() == {c.args["key"] for c in first} & {c.args["key"] for c in second}


def test_a_group_that_calls_the_same_again_changes_nothing():
    """The caller does not know whether it was done, and asks once more for the very same."""
    group = {"kind": "write", "count": 3}
    scenario = Scenario(name="again", why="x", operations=[group, {**group, "again": "same"}])
    told = SubjectDescription("s", {"create": OperationSpec("write")}, {}, True)
    (_, first), (_, second) = calls_of(scenario, groups_of(scenario, told, Profile()), Profile(), 7, "storm")
    assert [c.args for c in first] == [c.args for c in second]
