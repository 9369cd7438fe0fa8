"""A server that is not ours: what happens to it is never blamed on the subject."""

import pytest
from toxirig import call, serving

from galeproof.errors import EngineError
from galeproof.runner import Station
from galeproof.toxiproxy.control import ControlPlane


@pytest.fixture
def shared():
    """A running server of somebody's, a proxy of theirs on it, and a station that uses it."""
    with serving() as (url, process):
        call(url, "POST", "/proxies", {"name": "theirs", "upstream": "x:1", "enabled": False})
        with Station(url) as station:
            yield url, process, station


def test_lanes_that_stayed_are_no_fault(shared):
    """They are made, used, checked, and removed; the proxies of others stay."""
    url, _, station = shared
    with station.open_run() as run, station.lanes(run, {"lane-1": ()}) as (ports, _):
        assert {"clean", "lane-1"} == set(ports)
    plane = ControlPlane(url)
    assert ["theirs"] == plane.names()
    plane.close()


def test_a_server_that_ended_is_a_fault(shared):
    """It is told as unreachable, not as a subject that fails in calm air."""
    _, process, station = shared
    with pytest.raises(EngineError, match="unreachable"), station.open_run() as run, station.lanes(run, {}):
        process.kill()
        process.wait()


def test_a_lane_that_somebody_deleted_is_a_fault(shared):
    """Also where the server itself is well."""
    url, _, station = shared
    plane = ControlPlane(url)
    with pytest.raises(EngineError, match="has lost lanes"), station.open_run() as run, station.lanes(run, {}):
        for name in plane.names("galeproof-"):
            plane.delete(name)
    plane.close()
