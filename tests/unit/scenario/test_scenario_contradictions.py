"""A scenario that contradicts itself is refused, with the key that does."""

import pytest

from galeproof.errors import ScenarioError
from galeproof.scenario import parse_scenario

HEAD = "name: x\nwhy: because it must be refused\noperations:\n  - {kind: read, count: 2}\nsteps:\n"


def refusal(steps):
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(HEAD + steps, "x.yaml", {"RTY001"})
    return str(caught.value)


@pytest.mark.parametrize(("steps", "words"), [
    ("  - {attempts: 3, answer: 503}\n  - {attempts: 1-, answer: ok}", ("line 7", "attempt 3 has a step")),
    ("  - {attempts: 1, cut: rst after request, answer: 503}", ("line 6", "steps[0].answer")),
    ("  - {attempts: 1, retry_after: 2}", ("steps[0].retry_after", "status")),
    ("  - {attempts: 1, cut: refuse, lane: [{type: latency, latency_ms: 1}]}", ("steps[0].lane",)),
    ("  - {attempts: 1, cut: rst after effect, answer: {effect: false}}", ("steps[0].answer.effect",)),
    ("  - {attempts: 1, answer: {body: x, garbage: html}}", ("steps[0].answer.body",)),
    ('  - {attempts: 1, answer: {headers: {X: "a\\r\\nb"}}}', ("steps[0].answer.headers",)),
    ("  - {attempts: 1, answer: {headers: {content-length: '3'}}}", ("frames the answer",)),
    ("  - {attempts: 1, answer: {status: 302, location: 'http://example.org/'}}", ("answer.location",)),
    ("  - {attempts: 1, answer: {status: 302, location: '//example.org/'}}", ("stay on this origin",)),
    ("  - {attempts: 1, answer: {location: same}}", ("300 to 399",)),
    ("  - {attempts: 1, answer: 503, retry_after: 2.5}", ("whole seconds",)),
    ("  - {atempts: 1, answer: 503}", ("steps[0].atempts: unknown key", "attempts")),
])
def test_a_contradiction_is_refused_at_its_key(steps, words):
    """The error names file, line and key."""
    said = refusal(steps)
    assert said.startswith("x.yaml, line ")
    for word in words:
        assert word in said


def test_steps_may_come_in_any_order():
    """`3-` before `1-2` is no overlap."""
    scenario = parse_scenario(HEAD + "  - {attempts: 3-, answer: ok}\n  - {attempts: 1-2, answer: 503}",
                              "x.yaml", {"RTY001"})
    assert [(3, None), (1, 2)] == [step.attempts for step in scenario.steps]
