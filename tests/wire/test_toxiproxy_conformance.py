"""The embedded Toxiproxy and the real one answer and behave alike."""

import asyncio
import json
import shutil
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress

import pytest

from galeproof.errors import EngineError
from galeproof.toxiproxy.control import ControlPlane
from galeproof.toxiproxy.embedded import EmbeddedServer
from galeproof.toxiproxy.server import find_server, start_server, version_of


class Loop:
    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture(scope="module", params=["embedded", "real"])
def url(request, tmp_path_factory):
    loop = Loop()
    if request.param == "real":
        path = shutil.which("toxiproxy-server")
        if path is None:
            loop.close()
            pytest.skip("toxiproxy-server is not on PATH")
        server = loop.run(start_server(path, tmp_path_factory.mktemp("real") / "log"))
    else:
        server = EmbeddedServer(seed=1)
        loop.run(server.start())
    yield server.url
    loop.run(server.stop())
    loop.close()


def call(url, method, path, body=None, agent="test"):
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"User-Agent": agent}, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


class Origin:
    """Runs a script in a thread for each connection."""

    def __init__(self, script):
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = f"127.0.0.1:{self.sock.getsockname()[1]}"
        self.ends = []
        self.script = script
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        sock.settimeout(10)
        with sock:
            try:
                self.script(self, sock)
            except OSError as error:
                self.ends.append(type(error).__name__)


def echo(origin, sock):
    while data := sock.recv(65536):
        sock.sendall(data)
    origin.ends.append("FIN")


def sends(total):
    def script(origin, sock):
        sock.sendall(bytes(i % 251 for i in range(total)))

    return script


def sink(origin, sock):
    count = 0
    try:
        while data := sock.recv(65536):
            count += len(data)
    finally:
        origin.ends.append(count)


@pytest.fixture
def lane(url):
    """Opens lanes, and removes them."""
    plane, opened, number = ControlPlane(url), [], iter(range(1000))

    def connect(script, toxics=()):
        origin = Origin(script)
        opened.append(origin)
        made = plane.create(f"t-{next(number)}", origin.address, toxics=toxics)
        return origin, made

    yield connect
    plane.delete_prefix("t-")
    plane.close()
    for origin in opened:
        origin.sock.close()


@contextmanager
def client(made):
    with socket.create_connection((made.host, made.port), timeout=10) as sock:
        yield sock


def read_all(sock):
    """What arrived, and how it ended."""
    got = bytearray()
    try:
        while data := sock.recv(65536):
            got += data
    except ConnectionResetError:
        return bytes(got), "RST"
    return bytes(got), "FIN"


def exactly(sock, count):
    got = bytearray()
    while len(got) < count:
        data = sock.recv(count - len(got))
        if not data:
            break
        got += data
    return bytes(got)


def toxic(type, stream="downstream", toxicity=1.0, **attributes):
    return {"type": type, "stream": stream, "toxicity": toxicity, "attributes": attributes}


def until(condition, seconds=5):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


def test_version(url):
    """The version ends with a newline and has a space after its colon."""
    status, body, headers = call(url, "GET", "/version")
    assert (status, body) == (200, '{"version": "2.12.0"}\n')
    assert headers["Content-Type"] == "application/json;charset=utf-8"
    assert len(headers["X-Toxiproxy-Request-Id"]) == 20


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("GET", "/nowhere", None, 404, "404 page not found\n"),
        ("GET", "/proxies/", None, 404, "404 page not found\n"),
        ("PUT", "/proxies", b"{}", 405, ""),
        ("GET", "/proxies/x", None, 404, '{"error":"proxy not found","status":404}\n'),
        ("POST", "/proxies", b"{}", 400, '{"error":"missing required field: name","status":400}\n'),
        ("POST", "/proxies", b'{"name":"a"}', 400,
         '{"error":"missing required field: upstream","status":400}\n'),
        ("POST", "/proxies", b"", 400, '{"error":"bad request body: EOF","status":400}\n'),
        ("POST", "/proxies", b'{"name":', 400,
         '{"error":"bad request body: unexpected EOF","status":400}\n'),
        ("POST", "/proxies", b'{"name":"a","upstream":"b","listen":"localhost"}', 500,
         '{"error":"listen tcp: address localhost: missing port in address","status":500}\n'),
        ("POST", "/populate", b"[]", 201, '{"proxies":null}'),
        ("POST", "/populate", b'[{"name":"a","upstream":"b"},{"upstream":"b"}]', 400,
         '{"error":"missing required field: name at proxy 2","status":400,"proxies":null}'),
    ],
)  # fmt: skip
def test_answers(url, method, path, body, status, text):
    """Status and body are the specification's."""
    assert call(url, method, path, body)[:2] == (status, text)


def test_browsers_are_refused(url):
    """A browser's User-Agent gets 403."""
    assert call(url, "GET", "/proxies", agent="Mozilla/5")[:2] == (403, "User agent not allowed\n")


def test_proxy_life(url):
    """A proxy is made, shown, refused twice, disabled, enabled on its port, deleted."""
    wanted = {"NAME": "life<", "upstream": "nonsense", "listen": "localhost:0"}
    status, body, _ = call(url, "POST", "/proxies", wanted)
    listen = json.loads(body)["listen"]
    assert status == 201
    assert body == (
        f'{{"name":"life\\u003c","listen":"{listen}","upstream":"nonsense","enabled":true,'
        '"Logger":{},"toxics":[]}'
    )
    assert listen.startswith("127.0.0.1:")
    path = "/proxies/life%3C"
    assert call(url, "POST", "/proxies", wanted)[0] == 409
    assert call(url, "GET", path)[:2] == (200, body)
    assert json.loads(call(url, "PATCH", path, {"enabled": False})[1])["enabled"] is False
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(listen.split(":")[1])))
    assert json.loads(call(url, "POST", path, {"enabled": True})[1])["listen"] == listen
    taken = {"name": "other", "upstream": "x", "listen": listen}
    text = f"listen tcp {listen}: bind: address already in use"
    assert json.loads(call(url, "POST", "/proxies", taken)[1])["error"] == text
    assert call(url, "DELETE", path)[:2] == (204, "")
    assert call(url, "DELETE", path)[0] == 404


def test_toxic_life(url):
    """A toxic is made, listed, changed key by key and deleted; errors come in order."""
    call(url, "POST", "/proxies", {"name": "tl", "upstream": "x", "listen": "127.0.0.1:0"})
    path = "/proxies/tl/toxics"
    made = {"type": "latency", "stream": "UPSTREAM", "toxicity": 0.3, "attributes": {"latency": 9}}
    text = (
        '{"attributes":{"latency":9,"jitter":0},"name":"latency_UPSTREAM","type":"latency",'
        '"stream":"UPSTREAM","toxicity":0.3}'
    )
    status, body, _ = call(url, "POST", path, made)
    assert (status, json.loads(body)) == (200, json.loads(text))
    assert body == text
    assert call(url, "POST", path, made)[0] == 409
    invalid = json.loads(call(url, "POST", path, {"type": "nope"})[1])
    assert invalid == {"error": "invalid toxic type", "status": 400}
    stream = json.loads(call(url, "POST", path, {"type": "nope", "stream": ""})[1])
    assert stream["error"] == "stream was invalid, can be either upstream or downstream"
    fraction = {"type": "timeout", "attributes": {"timeout": 1.5}}
    assert call(url, "POST", path, fraction)[0] == 400
    assert call(url, "POST", path, {"type": "noop"})[0] == 200
    one = f"{path}/latency_UPSTREAM"
    patched = json.loads(call(url, "PATCH", one, {"attributes": {"jitter": 3}, "toxicity": 1})[1])
    assert (patched["attributes"], patched["toxicity"]) == ({"latency": 9, "jitter": 3}, 1)
    assert call(url, "GET", one)[1].endswith('"toxicity":1}')
    assert [t["type"] for t in json.loads(call(url, "GET", path)[1])] == ["latency", "noop"]
    assert call(url, "DELETE", one)[0] == 204
    assert call(url, "DELETE", one)[1] == '{"error":"toxic not found","status":404}\n'
    call(url, "DELETE", "/proxies/tl")


def test_populate_keeps_equal_ones(url, lane):
    """Populate leaves an equal proxy and its toxics alone, and replaces a differing one."""
    origin, made = lane(echo, [toxic("noop")])
    entry = {"name": made.name, "listen": f"127.0.0.1:{made.port}", "upstream": origin.address}
    same = json.loads(call(url, "POST", "/populate", [entry])[1])["proxies"][0]
    assert [t["type"] for t in same["toxics"]] == ["noop"]
    entry["upstream"] = "other:1"
    assert json.loads(call(url, "POST", "/populate", [entry])[1])["proxies"][0]["toxics"] == []


def test_passes_bytes_unchanged(lane):
    """A large body arrives whole and ends with FIN."""
    _, made = lane(sends(3_000_000))
    with client(made) as sock:
        assert read_all(sock) == (bytes(i % 251 for i in range(3_000_000)), "FIN")


def test_fifty_connections(lane):
    """Fifty connections at once each get their own bytes."""
    _, made = lane(echo, [toxic("latency", latency=20)])
    socks = [socket.create_connection((made.host, made.port), timeout=10) for _ in range(50)]
    for number, sock in enumerate(socks):
        sock.sendall(b"%04d" % number)
    assert [exactly(sock, 4) for sock in socks] == [b"%04d" % n for n in range(50)]
    for sock in socks:
        sock.close()


def test_half_close_loses_the_answer(lane):
    """A client that ends its write side gets FIN and no answer."""

    def late(origin, sock):
        sock.recv(100)
        sock.recv(100)
        time.sleep(0.05)
        sock.sendall(b"too late")

    _, made = lane(late)
    with client(made) as sock:
        sock.sendall(b"x")
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == (b"", "FIN")


def test_a_reset_becomes_fin(lane):
    """The origin's RST arrives as FIN, after the bytes before it."""

    def reset(origin, sock):
        sock.sendall(b"part")
        time.sleep(0.05)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    _, made = lane(reset)
    with client(made) as sock:
        assert read_all(sock) == (b"part", "FIN")


def test_upstream_refused(url):
    """Where nothing listens upstream the client is accepted, then sees FIN."""
    plane = ControlPlane(url)
    made = plane.create("t-refused", "127.0.0.1:1")
    with client(made) as sock:
        assert read_all(sock) == (b"", "FIN")
    plane.delete("t-refused")


def test_latency(lane):
    """A round trip takes at least both latencies; their order of chunks is kept."""
    _, made = lane(echo, [toxic("latency", latency=60), toxic("latency", "upstream", latency=50)])
    with client(made) as sock:
        begin = time.monotonic()
        sock.sendall(b"x")
        assert exactly(sock, 1) == b"x"
        assert 0.109 <= time.monotonic() - begin < 0.5


def test_jitter_keeps_order(lane):
    """Chunks under jitter arrive in the order sent."""
    _, made = lane(echo, [toxic("latency", latency=10, jitter=10)])
    sent = b"".join(b"%06d" % n for n in range(200))
    with client(made) as sock:
        for at in range(0, len(sent), 6):
            sock.sendall(sent[at : at + 6])
            time.sleep(0.0005)
        assert exactly(sock, len(sent)) == sent


@pytest.mark.parametrize("limit", [1, 100, 32768, 100_001])
def test_limit_data(lane, limit):
    """Exactly the limit arrives, then FIN."""
    _, made = lane(sends(200_000), [toxic("limit_data", bytes=limit)])
    with client(made) as sock:
        got, end = read_all(sock)
        assert (len(got), end) == (limit, "FIN")
        assert got == bytes(i % 251 for i in range(limit))


def test_limit_data_closes_at_the_limit(lane):
    """The connection closes when the limit is met exactly."""
    _, made = lane(echo, [toxic("limit_data", bytes=10)])
    with client(made) as sock:
        sock.sendall(b"0123456789")
        assert read_all(sock) == (b"0123456789", "FIN")


def test_limit_data_upstream(lane):
    """Upstream, the origin gets exactly the limit."""
    origin, made = lane(sink, [toxic("limit_data", "upstream", bytes=1000)])
    with client(made) as sock:
        sock.sendall(bytes(1500))
        assert read_all(sock)[0] == b""
    assert until(lambda: origin.ends == [1000])


def test_bandwidth(lane):
    """100 kB at 500 kB/s take at least 195 ms."""
    _, made = lane(sends(100_000), [toxic("bandwidth", rate=500)])
    with client(made) as sock:
        begin = time.monotonic()
        got, end = read_all(sock)
        assert (len(got), end) == (100_000, "FIN")
        assert 0.195 <= time.monotonic() - begin < 0.6


def test_bandwidth_zero_blocks(url, lane):
    """Rate 0 lets nothing through; removing it lets the bytes go."""
    _, made = lane(echo, [toxic("bandwidth", rate=0)])
    with client(made) as sock:
        sock.sendall(b"held")
        sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.settimeout(10)
        call(url, "DELETE", f"/proxies/{made.name}/toxics/bandwidth_downstream")
        assert exactly(sock, 4) == b"held"


def test_slow_close(lane):
    """The data comes at once, its end after the delay."""
    _, made = lane(sends(10), [toxic("slow_close", delay=150)])
    with client(made) as sock:
        begin = time.monotonic()
        assert len(exactly(sock, 10)) == 10
        assert time.monotonic() - begin < 0.1
        assert read_all(sock) == (b"", "FIN")
        assert 0.149 <= time.monotonic() - begin < 0.5


def test_timeout(lane):
    """Data is dropped, and each chunk starts the time again."""
    _, made = lane(echo, [toxic("timeout", "upstream", timeout=150)])
    with client(made) as sock:
        begin = time.monotonic()
        for _ in range(3):
            time.sleep(0.08)
            sock.sendall(b"x")
        assert read_all(sock) == (b"", "FIN")
        assert 0.38 <= time.monotonic() - begin < 0.8


def test_timeout_removed_closes(url, lane):
    """Removing a timeout toxic closes its connections."""
    origin, made = lane(echo, [toxic("timeout", timeout=0)])
    with client(made) as sock:
        sock.sendall(b"x")
        time.sleep(0.05)
        call(url, "DELETE", f"/proxies/{made.name}/toxics/timeout_downstream")
        assert read_all(sock) == (b"", "FIN")
    assert until(lambda: origin.ends != [])


def test_reset_peer(lane):
    """The first chunk starts the wait; then both sides see RST."""
    origin, made = lane(sink, [toxic("reset_peer", "upstream", timeout=50)])
    with client(made) as sock:
        time.sleep(0.08)
        begin = time.monotonic()
        sock.sendall(b"hello")
        assert read_all(sock) == (b"", "RST")
        assert 0.049 <= time.monotonic() - begin < 0.4
    assert until(lambda: origin.ends == [0, "ConnectionResetError"])


def test_reset_peer_spared_still_resets(lane):
    """With toxicity 0 the bytes arrive, but a normal close is a RST."""

    def script(origin, sock):
        sock.sendall(b"whole")
        time.sleep(0.1)

    _, made = lane(script, [toxic("reset_peer", toxicity=0)])
    with client(made) as sock:
        assert read_all(sock) == (b"whole", "RST")


def test_slicer(lane):
    """Slices keep the bytes and come apart in time."""
    _, made = lane(
        sends(1000), [toxic("slicer", average_size=100, size_variation=20, delay=10_000)]
    )
    with client(made) as sock:
        begin, pieces = time.monotonic(), []
        while data := sock.recv(65536):
            pieces.append(data)
        assert b"".join(pieces) == bytes(i % 251 for i in range(1000))
        assert len(pieces) >= 6
        assert time.monotonic() - begin >= 0.08


def test_toxicity_is_per_link(lane):
    """At 0.5 a connection is either slow or not, for all its round trips."""
    _, made = lane(echo, [toxic("timeout", "upstream", 0.5, timeout=0)])
    answered = 0
    socks = [socket.create_connection((made.host, made.port), timeout=10) for _ in range(50)]
    for sock in socks:
        sock.sendall(b"a")
    time.sleep(0.2)
    for sock in socks:
        sock.setblocking(False)
        with suppress(BlockingIOError):
            answered += sock.recv(1) == b"a"
        sock.close()
    assert 5 <= answered <= 45


def test_live_changes(url, lane):
    """Adding, changing and removing a toxic acts on an open connection."""
    _, made = lane(echo)
    path = f"/proxies/{made.name}/toxics"

    def round_trip(sock):
        begin = time.monotonic()
        sock.sendall(b"x")
        assert exactly(sock, 1) == b"x"
        return time.monotonic() - begin

    with client(made) as sock:
        assert round_trip(sock) < 0.05
        call(url, "POST", path, toxic("latency", latency=80))
        assert 0.079 <= round_trip(sock) < 0.3
        call(url, "PATCH", path + "/latency_downstream", {"attributes": {"latency": 150}})
        assert 0.149 <= round_trip(sock) < 0.4
        call(url, "PATCH", path + "/latency_downstream", {"attributes": {"latency": 5000}})
        sock.sendall(b"q")
        time.sleep(0.05)
        call(url, "DELETE", path + "/latency_downstream")
        assert exactly(sock, 1) == b"q"
        assert round_trip(sock) < 0.05


def test_disable_closes_live_connections(url, lane):
    """Disabling closes open connections with FIN."""
    _, made = lane(echo)
    with client(made) as sock:
        sock.sendall(b"x")
        exactly(sock, 1)
        call(url, "PATCH", f"/proxies/{made.name}", {"enabled": False})
        assert read_all(sock) == (b"", "FIN")


def test_backpressure(lane):
    """A client that does not read stops the origin, and loses nothing."""
    sent = []

    def script(origin, sock):
        sock.settimeout(0.3)
        try:
            for _ in range(2000):
                sock.sendall(bytes(32768))
                sent.append(32768)
        except TimeoutError:
            sent.append(0)

    _, made = lane(script)
    with client(made) as sock:
        assert until(lambda: sent[-1:] == [0])
        assert sum(sent) < 40_000_000
        assert len(read_all(sock)[0]) >= sum(sent)


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
