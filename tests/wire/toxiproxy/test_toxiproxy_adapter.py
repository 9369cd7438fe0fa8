"""The adapter around toxiproxy-python, and finding, building and sharing the real server."""

import pytest

from galeproof.errors import EngineError
from galeproof.toxiproxy.control import ControlPlane
from galeproof.toxiproxy.server import find_server, version_of


def test_adapter(url, monkeypatch):
    """The adapter names, quotes, ignores HTTP_PROXY, and reports the server's words."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    plane = ControlPlane(url)
    assert plane.version() == "2.12.0"
    plane.create("ad ü?1", "127.0.0.1:1")
    assert plane.names("ad ") == ["ad ü?1"]
    with pytest.raises(EngineError, match=r"POST /proxies: 409 proxy already exists"):
        plane.create("ad ü?1", "127.0.0.1:1")
    with pytest.raises(EngineError, match=r"400 invalid toxic type"):
        plane.create("ad half", "127.0.0.1:1", toxics=[{"type": "nope"}])
    assert plane.names("ad ") == ["ad ü?1"]
    plane.delete_prefix("ad ")
    plane.delete("ad half")
    assert plane.names("ad ") == []


def test_adapter_unreachable():
    """An unreachable server is one line, with no foreign traceback."""
    with pytest.raises(EngineError) as caught:
        ControlPlane("http://127.0.0.1:1").version()
    assert str(caught.value) == (
        "Toxiproxy at http://127.0.0.1:1 is unreachable (Connection refused): "
        "GET /version was not done"
    )
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_two_planes_keep_their_addresses(url):
    """Two control planes at once talk to their own servers."""
    first, second = ControlPlane(url), ControlPlane("http://127.0.0.1:1")
    assert first.version() == "2.12.0"
    with pytest.raises(EngineError):
        second.version()


def test_find_server():
    """The server on PATH is found, and says its version."""
    path = find_server()
    if path is None:
        pytest.skip("toxiproxy-server is not on PATH")
    assert version_of(path) == "2.12.0"
