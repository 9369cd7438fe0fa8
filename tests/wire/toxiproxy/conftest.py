"""Both engines for the conformance tests, and lanes to scripted origins."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pytest
from toxirig import Lanes, Loop

from galeproof.toxiproxy.embedded import EmbeddedServer
from galeproof.toxiproxy.server import find_server, start_server

_NO_REAL = "the real Toxiproxy is not here (galeproof toxiproxy install): not compared with it"


@pytest.fixture(scope="module")
def loop():
    """A loop in a thread of its own."""
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture(scope="module")
def real_url(loop, tmp_path_factory):
    """The real Toxiproxy."""
    path = find_server()
    if path is None:
        pytest.skip(_NO_REAL)
    server = loop.run(start_server(path, tmp_path_factory.mktemp("real") / "log"))
    yield server.url
    loop.run(server.stop())


@pytest.fixture(scope="module")
def embedded_url(loop):
    """Ours."""
    server = EmbeddedServer(seed=1)
    loop.run(server.start())
    yield server.url
    loop.run(server.stop())


@pytest.fixture(scope="module", params=["embedded", "real"])
def url(request):
    """Each of them in turn."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def lane(url):
    """Opens lanes on the engine under test, and removes them."""
    with Lanes(url) as lanes:
        yield lanes


@pytest.fixture
def own_lane(embedded_url):
    """Opens lanes on the embedded server, and removes them."""
    with Lanes(embedded_url) as lanes:
        yield lanes
