"""Retry-After as a date: three formats, and an Answer that travels as data."""

import pytest

from galeproof.faults.steps import DATE_FORMS, schedule_from_dict
from galeproof.invariants.raf._date import http_date
from galeproof.kernel.recorder import Recorder
from galeproof.kernel.wire import Head
from galeproof.model import Profile
from galeproof.origin.answers import respond
from galeproof.scenario import schedule_of
from galeproof.scenario.model import Scenario
from galeproof.tap.tap import Tap

HEAD = Head(("GET", "/", "HTTP/1.1"), ())
WALL = 1_795_599_017.4
SAID = {"imf": "Wed, 25 Nov 2026 09:30:21 GMT", "rfc850": "Wednesday, 25-Nov-26 09:30:21 GMT",
        "asctime": "Wed Nov 25 09:30:21 2026"}


def _retry_after(form, wall_s=WALL):
    answer = {"status": 503, "retry_after_date_s": 4.0, "retry_after_form": form}
    head = respond(answer, {}, {}, head=HEAD, body_at_least=0, close=False,
                   wall_s=wall_s).head.decode()
    return next(line.partition(": ")[2] for line in head.split("\r\n") if line.startswith("Retry-After"))


@pytest.mark.parametrize("form", DATE_FORMS)
def test_each_format_is_written_and_read_back(form):
    """The origin cuts to whole seconds, as every date does."""
    assert SAID[form] == _retry_after(form)
    assert 1_795_599_021.0 == http_date(SAID[form])[1]


def test_a_single_digit_day_is_padded_as_asctime_does():
    """RFC 9110: two digits or a blank and one."""
    assert "Tue Nov  3 00:00:04 2026" == _retry_after("asctime", 1_793_664_000.0)


def _steps(retry_after):
    return Scenario(name="s", why="x", operations=[{"kind": "read", "count": 1}],
                    steps=[{"attempts": 1, "answer": 503, "retry_after": retry_after}])


def test_the_format_travels_from_the_file_to_the_tap_in_turn():
    """`each`: one for each operation in turn."""
    schedule = schedule_of(_steps({"date_in_s": 4, "date_form": "each"}), Profile())
    assert schedule == schedule_from_dict(schedule.as_dict())
    tap = Tap(Recorder(lambda event: None))
    refs = ["opaaaaaa", "opbbbbbb", "opcccccc", "opdddddd"]
    tap.begin(refs, [step.as_dict() for step in schedule.steps], {}, [], 7)
    told = [tap.step(ref, 1)["answer"]["retry_after_form"] for ref in refs]
    assert [*DATE_FORMS, "imf"] == told


@pytest.mark.parametrize("bad", [{"date_in_s": 4, "date_form": "iso"}, {"seconds": 4, "date_form": "rfc850"}])
def test_an_unknown_format_or_one_without_a_date_is_refused(bad):
    """With the allowed values."""
    with pytest.raises(ValueError, match="date_form"):
        _steps(bad)


@pytest.mark.parametrize("groups", [
    [{"kind": "read", "count": 1, "again": True}],
    [{"kind": "read", "count": 1}, {"kind": "write", "count": 1, "again": True}],
    [{"kind": "write", "count": 1}, {"kind": "write", "count": 2, "again": True}]])
def test_a_group_that_calls_again_needs_one_before_it(groups):
    """Of its kind, with as many operations."""
    with pytest.raises(ValueError, match="calls the operations of the group before it again"):
        Scenario(name="s", why="x", operations=groups)
