"""What differs from operation to operation, how long a subject is watched, and what a body is."""

import pytest

from galeproof.errors import ScenarioError
from galeproof.kernel.recorder import Recorder
from galeproof.kernel.wire import Body
from galeproof.model import Profile, parse_profile
from galeproof.scenario import NotApplicable, parse_scenario, schedule_of
from galeproof.tap import Tap

HEAD = "name: x\nwhy: y\noperations:\n  - {kind: read, count: 2}\nsteps:\n"
EACH = "  - {attempts: 1-, answer: {status: 200, drip: {part: each, every_s: 0.2}}}\n"


def _words(steps, refs):
    schedule = schedule_of(parse_scenario(HEAD + steps, "x.yaml", set()), Profile())
    tap = Tap(Recorder(lambda event: None))
    tap.begin(refs, [step.as_dict() for step in schedule.steps], {}, [], 7)
    return [(step["word"], step["answer"]["drip"]) for step in (tap.step(ref, 1) for ref in refs)]


def test_each_operation_gets_another_part_in_drips():
    """Body, headers and interim answers in turn, and the word says which."""
    found = _words(EACH, ["opa", "opb", "opc", "opd"])
    assert ["drip body", "drip headers", "drip interim", "drip body"] == [word for word, _ in found]
    assert ["body", "headers", "interim", "body"] == [drip["part"] for _, drip in found]


def test_redirects_in_turn_may_have_a_location():
    """All of the statuses redirect; one that does not is refused."""
    steps = "  - {attempts: 1, answer: {statuses: [307, 308, 303], location: same}}\n"
    assert parse_scenario(HEAD + steps, "x.yaml", set()).steps[0].answer.location == "same"
    with pytest.raises(ScenarioError, match="a location needs a status from 300 to 399"):
        parse_scenario(HEAD + steps.replace("303", "503"), "x.yaml", set())


def test_a_linger_is_a_quantity_of_the_profile():
    """Where its name is undeclared and nothing stands in for it, the scenario does not apply."""
    scenario = parse_scenario(HEAD + "  - {attempts: 1, answer: ok}\nlinger_s: 1 + read_timeout_s\n",
                              "x.yaml", set())
    assert isinstance(schedule_of(scenario, Profile()), NotApplicable)
    assert not isinstance(schedule_of(scenario, parse_profile({"read_timeout_s": 1.0})), NotApplicable)


@pytest.mark.parametrize("cut", [1, 3, 4, 7, 9, 100])
def test_chunk_framing_is_no_content(cut):
    """However the bytes arrive, the spans give the content."""
    wire, body, found = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n", Body("chunked"), b""
    for at in range(0, len(wire), cut):
        piece = wire[at : at + cut]
        assert len(piece) == body.feed(piece)
        found += b"".join(piece[begin:end] for begin, end in body.spans)
    assert (b"hello world", True) == (found, body.done)


def test_content_ends_where_its_length_says():
    """What follows belongs to the next request."""
    body = Body("length", 5)
    assert (5, [(0, 5)]) == (body.feed(b"helloGET /"), body.spans)
    assert (0, []) == (body.feed(b"GET /"), body.spans)
