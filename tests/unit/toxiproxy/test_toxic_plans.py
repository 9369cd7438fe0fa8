"""Toxics as pure functions: no clock, no socket."""

from random import Random

import pytest

from galeproof.faults.toxics import TOXICS, Chunk, State

MS = 1_000_000


def plan(name, data, stamp_ns=0, now_ns=0, state=None, seed=1, **attributes):
    kind = TOXICS[name]
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
    assert (len(first.data), first.close) == (6, False)
    assert (len(second.data), second.close) == (4, True)


@pytest.mark.parametrize("seed", range(20))
def test_slicer_keeps_the_bytes(seed):
    """The pieces joined are the chunk, and none is over average + variation."""
    data = Random(seed).randbytes(1000)
    pieces = [s.data for s in plan("slicer", data, seed=seed, average_size=100,
                                   size_variation=20).steps if s.data]  # fmt: skip
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= 120


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("bandwidth", {"rate": -1}),
        ("latency", {"latency": 0, "jitter": 1 << 62}),
        ("slicer", {"average_size": 0, "size_variation": 0, "delay": 0}),
        ("slicer", {"average_size": 5, "size_variation": 5, "delay": 0}),
    ],
)
def test_killing_inputs_are_refused(name, attributes):
    """What kills the real server is refused with a text."""
    assert TOXICS[name].validate(attributes) is not None
