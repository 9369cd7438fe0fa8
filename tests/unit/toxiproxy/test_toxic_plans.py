"""Toxics as pure functions: no clock, no socket."""

from pathlib import Path
from random import Random

import pytest

from galeproof.faults.toxics import OWN_TOXICS, TOXICS, Chunk, End, State

MS = 1_000_000
KINDS = {**TOXICS, **OWN_TOXICS}


def plan(name, data, stamp_ns=0, now_ns=0, state=None, seed=1, **attributes):
    kind = KINDS[name]
    given = {**dict.fromkeys(kind.fields, 0), **attributes}
    return kind.on_chunk(state or State(), given, Chunk(data, stamp_ns), now_ns, Random(seed))


def test_latency_counts_from_the_receive_time():
    """A chunk that has waited already waits only the rest."""
    assert plan("latency", b"x", 5 * MS, 8 * MS, latency=10).steps[0].at_ns == 15 * MS


def test_latency_never_goes_back_in_time():
    """A negative total is no delay."""
    assert plan("latency", b"x", 0, 3 * MS, latency=-10).steps[0].at_ns == 3 * MS


def test_jitter_is_within_its_range_and_repeatable():
    """The draw is whole milliseconds in [latency - jitter, latency + jitter - 1]."""
    draws = [plan("latency", b"x", latency=50, jitter=5, seed=s).steps[0].at_ns for s in range(300)]
    assert {d // MS for d in draws} == set(range(45, 55))
    assert draws[7] == plan("latency", b"x", latency=50, jitter=5, seed=7).steps[0].at_ns


def test_bandwidth_cuts_into_tenths_of_a_second():
    """A long chunk goes out in pieces of rate * 100 bytes, the rest after its own time."""
    steps = plan("bandwidth", bytes(250), rate=1).steps
    assert [(s.at_ns, len(s.data)) for s in steps] == [
        (100 * MS, 100), (200 * MS, 100), (250 * MS, 50),
    ]  # fmt: skip


def test_bandwidth_makes_up_for_late_timers():
    """How late the last step was is taken off the next wait."""
    assert plan("bandwidth", bytes(10), state=State(late_ns=4 * MS), rate=1).steps[0].at_ns == 6 * MS


def test_bandwidth_zero_is_never():
    """At rate 0 a chunk has no time to leave."""
    assert plan("bandwidth", b"x", rate=0).steps[0].at_ns is None


def test_limit_data_counts_over_chunks():
    """The chunk that meets the limit is cut there and closes."""
    state = State()
    first = plan("limit_data", bytes(6), state=state, bytes=10).steps[0]
    second = plan("limit_data", bytes(6), state=state, bytes=10).steps[0]
    assert (len(first.data), first.close is None) == (6, True)
    assert (len(second.data), second.close is None) == (4, False)


@pytest.mark.parametrize("sizes", [(100, 20), (100, 100), (1, 1), (1, 0)])
@pytest.mark.parametrize("seed", range(20))
def test_slicer_keeps_the_bytes(seed, sizes):
    """The pieces joined are the chunk, and none is over average + variation."""
    data = Random(seed).randbytes(1000)
    steps = plan("slicer", data, seed=seed, average_size=sizes[0], size_variation=sizes[1]).steps
    assert b"".join(step.data for step in steps) == data
    assert max(len(step.data) for step in steps) <= sum(sizes)


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("bandwidth", {"rate": -1}),
        ("latency", {"latency": 0, "jitter": 1 << 62}),
        ("slicer", {"average_size": 0, "size_variation": 0, "delay": 0}),
        ("slicer", {"average_size": 5, "size_variation": 6, "delay": 0}),
        ("slicer", {"average_size": 5, "size_variation": -1, "delay": 0}),
        ("reset_after", {"bytes": -1}),
        ("stall_after", {"bytes": -1}),
    ],
)
def test_killing_inputs_are_refused(name, attributes):
    """What kills the real server is refused with a text."""
    assert KINDS[name].validate(attributes) is not None


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("latency", {"latency": 1 << 62, "jitter": -5}),
        ("latency", {"latency": 0, "jitter": (1 << 62) - 1}),
        ("bandwidth", {"rate": 0}),
        ("slicer", {"average_size": 1, "size_variation": 0, "delay": -7}),
        ("slicer", {"average_size": 5, "size_variation": 5, "delay": 0}),
        ("limit_data", {"bytes": -1}),
        ("timeout", {"timeout": -1}),
    ],
)
def test_what_the_real_server_survives_is_accepted(name, attributes):
    """Odd attributes that do not kill Toxiproxy are no error here either."""
    assert TOXICS[name].validate(attributes) is None


def test_reset_after_resets_with_the_last_byte():
    """The chunk that meets the limit is cut there and resets."""
    step = plan("reset_after", bytes(9), bytes=4).steps[0]
    assert (len(step.data), step.close) == (4, End.RESET)


@pytest.mark.parametrize(("count", "closes"), [(0, []), (3, []), (4, [End.RESET]), (9, [End.RESET])])
def test_reset_after_resets_at_once_where_enough_has_passed(count, closes):
    """Started at or past its limit (0 bytes, or a limit lowered since), it resets at once."""
    steps = OWN_TOXICS["reset_after"].on_start(State(count), {"bytes": 4}, 7).steps
    assert closes == [step.close for step in steps]


def test_stall_after_holds_what_is_over_its_limit():
    """The bytes up to the limit leave now, the rest has no time to leave."""
    steps = plan("stall_after", bytes(9), bytes=4).steps
    assert [(0, 4), (None, 5)] == [(step.at_ns, len(step.data)) for step in steps]


@pytest.mark.parametrize(("count", "at_ns"), [(3, 7), (4, None)])
def test_stall_after_holds_the_end_too(count, at_ns):
    """Once the limit is met the end of the stream is held back as well."""
    step = OWN_TOXICS["stall_after"].on_end(State(count), {"bytes": 4}, End.CLOSE, 7).steps[0]
    assert (at_ns, End.CLOSE) == (step.at_ns, step.close)


@pytest.mark.parametrize(
    ("half_close", "reset", "end", "passed"),
    [
        (0, 0, End.CLOSE, End.CLOSE),
        (0, 0, End.LOST, End.LOST),
        (1, 0, End.CLOSE, End.HALF),
        (1, 0, End.LOST, End.LOST),
        (0, 1, End.LOST, End.RESET),
        (0, 1, End.CLOSE, End.CLOSE),
    ],
)
def test_forward_close_hands_on_the_kind_of_the_end(half_close, reset, end, passed):
    """A half-close stays one, a reset stays one, each if it is asked for."""
    given = {"half_close": half_close, "reset": reset}
    assert passed is OWN_TOXICS["forward_close"].on_end(State(), given, end, 0).steps[0].close


def test_every_toxic_and_attribute_is_in_the_docs():
    """A toxic that nobody can read about does not exist."""
    text = (Path(__file__).parents[3] / "docs" / "toxiproxy.md").read_text()
    for kind in KINDS.values():
        assert f"`{kind.name}`" in text
        for field in kind.fields:
            assert field in text
