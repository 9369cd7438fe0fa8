"""Steps as data: words, cuts, and which step an attempt gets."""

from __future__ import annotations

import json

import pytest

from galeproof.errors import ScenarioError
from galeproof.faults.steps import (
    Answer,
    Cut,
    Drip,
    Schedule,
    Step,
    parse_cut,
    parse_step_words,
    schedule_from_dict,
    step_for,
    word_of,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rst after accept", Cut("rst", "accept")),
        ("hang after request", Cut("hang", "request")),
        ("fin  after effect ", Cut("fin", "effect")),
        ("hang after headers", Cut("hang", "headers")),
        ("fin after 500 bytes", Cut("fin", "body", 500)),
        ("rst after 9 request bytes", Cut("rst", "request_body", 9)),
        ("refuse", Cut("refuse")),
        ("blackhole", Cut("blackhole")),
        ("stale", Cut("stale")),
    ],
)
def test_a_cut_is_read_from_its_words_and_told_in_the_same_words(text: str, expected: Cut) -> None:
    """A cut is read from its words, and its label is those words again."""
    assert expected == parse_cut(text)
    assert " ".join(text.split()) == word_of(Answer(), expected)


@pytest.mark.parametrize(
    "text",
    ["", "rst", "rst after", "rst after lunch", "refuse after effect", "fin after 0 bytes",
     "fin after 99999999 bytes", "fin after -1 bytes", "fin after 1e3 bytes", "RST after effect"],
)
def test_what_is_no_cut_is_refused_with_what_is_allowed(text: str) -> None:
    """What is no cut is refused, and the error names what is allowed."""
    with pytest.raises(ScenarioError, match="allowed: "):
        parse_cut(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("rst after accept", "connection"), ("refuse", "connection"), ("blackhole", "connection"),
     ("stale", "connection"), ("rst after request", "exchange"), ("fin after 5 bytes", "exchange")],
)
def test_a_cut_before_any_byte_is_a_connection_step(text: str, expected: str) -> None:
    """Only a cut that happens before any byte of a request is a connection step."""
    assert expected == parse_cut(text).level


def test_words_give_one_step_an_attempt_and_the_last_one_holds() -> None:
    """Each word is one attempt's step; the last one holds for all later attempts."""
    schedule = parse_step_words("rst after effect", 503, "504 with effect", "ok")
    found = [step_for(schedule, attempt) for attempt in (1, 2, 3, 4, 99)]
    assert [pair[0] for pair in found if pair] == [0, 1, 2, 3, 3]
    assert [s.word for s in schedule.steps] == ["rst after effect", "503", "504 with effect", "ok"]
    assert Answer(status=504, effect=True) == schedule.steps[2].answer


@pytest.mark.parametrize("words", [(), (99,), (600,), (True,), ("okay",), ("",),
                                   ("hang after 5 bytes",), ("hang after accept",)])
def test_a_wrong_word_is_one_clear_error(words: tuple[str | int, ...]) -> None:
    """No word, or a wrong one, is one line that starts with where it stands."""
    with pytest.raises(ScenarioError, match=r"^steps[,:] [^\n]*$"):
        parse_step_words(*words)


def test_an_attempt_outside_every_step_has_none() -> None:
    """An attempt that no step names gets no step."""
    schedule = Schedule((Step(2, 3, "clean", Answer(503), None, "503"),))
    assert [
        pair and pair[0] for pair in (step_for(schedule, n) for n in (1, 2, 3, 4))
    ] == [None, 0, 0, None]


def test_a_schedule_survives_json() -> None:
    """A schedule is equal to itself after JSON and back."""
    answer = Answer(status=200, headers={"X": "1"}, drip=Drip("body", 0.4), retry_after_s=2.0)
    toxic = {"name": "n", "type": "latency", "stream": "downstream", "toxicity": 1.0,
             "attributes": {"latency": 5, "jitter": 0}}
    schedule = Schedule(
        (Step(1, 2, "lane-1", answer, Cut("fin", "body", 5), "fin after 5 bytes"),
         Step(3, None, "clean", Answer(), None, "ok")),
        {"lane-1": (toxic,)},
    )
    assert schedule == schedule_from_dict(json.loads(json.dumps(schedule.as_dict())))
