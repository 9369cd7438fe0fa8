"""Scenario keys that ask something of the world: what is allowed, what is refused, what is documented."""

from pathlib import Path

import pytest

from galeproof.errors import ScenarioError
from galeproof.faults.steps import BLOATS, GARBAGE, PLACES, Schedule, schedule_from_dict
from galeproof.invariants import INVARIANTS
from galeproof.model import Profile
from galeproof.scenario import parse_scenario, schedule_of
from galeproof.scenario.model import TokensSpec
from galeproof.tap.turns import settled

HEAD = "name: x\nwhy: y\noperations:\n  - {kind: read, count: 2}\n"
PAGE = Path(__file__).parents[3] / "docs" / "world.md"


def scenario(text):
    return parse_scenario(HEAD + text, "x.yaml", set(INVARIANTS))


@pytest.mark.parametrize(("text", "said"), [
    ("steps:\n  - {attempts: 1, cut: tls stall}\n", "needs tls: true"),
    ("steps:\n  - {attempts: 1, answer: {status: 302, location: plain}}\n", "plain needs tls: true"),
    ("steps:\n  - {attempts: 1, answer: {status: 302, location: [other, //evil]}}\n", "must stay on this origin"),
    ("steps:\n  - {attempts: 1, answer: {garbage: [html, soup]}}\n", "'soup'; allowed: html"),
    ("steps:\n  - {attempts: 1, answer: {bloat: gzip_bomb, endless: true}}\n", "give one of bloat"),
    ("tokens: {status: 418}\n", "Input should be 400"),
    ("starts: 2\n", ""),
])
def test_what_does_not_fit_is_refused(text, said):
    """Each with its reason; the last is fine."""
    if not said:
        assert scenario(text).starts == 2
        return
    with pytest.raises(ScenarioError, match=said.replace("(", "\\(")):
        scenario(text)


def test_a_rotation_needs_one_start():
    """A second start would begin with the old secret."""
    text = HEAD.replace("count: 2", "count: 2, rotate: api_key") + "starts: 2\n"
    with pytest.raises(ScenarioError, match="needs starts: 1"):
        parse_scenario(text, "x.yaml", set(INVARIANTS))


def test_every_status_meets_every_place():
    """Two statuses and two places make four pairs in four turns."""
    text = "steps:\n  - {attempts: 1-, answer: {statuses: [302, 307], location: [other, other_host]}}\n"
    made = schedule_of(scenario(text), Profile())
    steps = [settled({**made.steps[0].as_dict()}, turn)["answer"] for turn in range(4)]
    assert 4 == len({(step["status"], step["location"]) for step in steps})


def test_a_schedule_with_all_of_it_travels_as_data():
    """Its JSON form gives the same schedule back."""
    text = ("tls: true\nsteps:\n  - {attempts: 1, cut: tls drip}\n"
            "  - {attempts: 2, answer: {status: 302, location: [plain, first], bloat: gzip_bomb}}\n"
            "  - {attempts: 3-, answer: {garbage: [html, empty], framing: each}}\n")
    made = schedule_of(scenario(text), Profile())
    assert isinstance(made, Schedule)
    assert made == schedule_from_dict(made.as_dict())


def test_the_page_names_every_key():
    """Kinds of garbage, bloats, places and keys of tokens stand in docs/world.md, and its example is read."""
    page = PAGE.read_text()
    for word in (*GARBAGE, *BLOATS, *PLACES, *TokensSpec.model_fields, "tls stall", "tls drip", "after_s", "rotate"):
        assert word in page, word
    example = page.split("```yaml\n")[1].split("```")[0]
    assert ("OAU003",) == parse_scenario(example, "x.yaml", set(INVARIANTS)).expect.exercised
