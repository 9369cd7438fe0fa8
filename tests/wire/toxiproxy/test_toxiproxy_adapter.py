"""The adapter around toxiproxy-python, and finding, building and sharing the real server."""

import pytest
from toxirig import call

from galeproof.errors import EngineError
from galeproof.toxiproxy.control import ControlPlane
from galeproof.toxiproxy.server import find_server, start_server, version_of


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


def test_a_shared_server_is_used_politely(url):
    """Only proxies of our prefix are deleted; nothing is reset: the others keep toxics and state."""
    others = ControlPlane(url)
    others.create("theirs", "127.0.0.1:1", toxics=[{"type": "noop", "stream": "upstream", "attributes": {}}])
    before = call(url, "GET", "/proxies/theirs")[1]
    plane = ControlPlane(url)
    plane.create("galeproof-1-a", "127.0.0.1:1")
    plane.create("galeproof-2-a", "127.0.0.1:1")
    plane.delete_prefix("galeproof-1-")
    assert ["galeproof-2-a", "theirs"] == plane.names()
    assert before == call(url, "GET", "/proxies/theirs")[1]
    with pytest.raises(EngineError, match="not ours"):
        plane.delete_prefix("")
    others.delete_prefix("galeproof-2-")
    others.delete("theirs")


def test_the_real_servers_log_is_kept(loop, tmp_path):
    """What it says goes to the file named; a port taken meanwhile is tried again elsewhere."""
    path = find_server()
    if path is None:
        pytest.skip("the real Toxiproxy is not here (galeproof toxiproxy install)")
    log = tmp_path / "toxiproxy.log"
    server = loop.run(start_server(path, log))
    ControlPlane(server.url).create("logged", "127.0.0.1:1")
    loop.run(server.stop())
    assert "logged" in log.read_text()


def test_a_server_that_ends_at_once_is_told(loop, tmp_path):
    """After three ports it is no accident."""
    path = tmp_path / "toxiproxy-server"
    path.write_text("#!/bin/sh\necho tried\nexit 3\n")
    path.chmod(0o755)
    with pytest.raises(EngineError, match=r"ended at once \(3\); see .*log"):
        loop.run(start_server(str(path), tmp_path / "log"))
    assert "tried\n" * 3 == (tmp_path / "log").read_text()
