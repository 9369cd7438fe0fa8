"""Where the embedded server differs on purpose (docs/toxiproxy.md lists it): it lives and does not hang."""

import asyncio
import json
import socket
import threading
import time

import pytest
from toxirig import call, client, echo, exactly, raw, read_all, toxic, until

from galeproof.toxiproxy.embedded import EmbeddedServer, _address


@pytest.mark.parametrize(
    "deadly",
    [
        toxic("bandwidth", rate=-1),
        toxic("latency", jitter=1 << 62),
        toxic("slicer"),
        toxic("slicer", average_size=0, size_variation=0),
        toxic("slicer", average_size=10, size_variation=11),
        toxic("slicer", average_size=10, size_variation=-1),
    ],
)
def test_what_kills_the_real_server_is_refused(own_lane, deadly):
    """Status 400 at POST and at PATCH; the server lives and bytes still pass."""
    _, made = own_lane(echo)
    path = f"/proxies/{made.name}/toxics"
    assert 400 == call(own_lane.url, "POST", path, deadly)[0]
    good = {"slicer": {"average_size": 100}}.get(deadly["type"], {})
    assert 200 == call(own_lane.url, "POST", path, {"name": "t", "type": deadly["type"], "attributes": good})[0]
    bad = deadly["attributes"] or {"average_size": 0}
    assert 400 == call(own_lane.url, "PATCH", path + "/t", {"attributes": bad})[0]
    call(own_lane.url, "DELETE", path + "/t")
    with client(made) as sock:
        sock.sendall(b"alive")
        assert b"alive" == exactly(sock, 5)


def test_a_refused_patch_changes_nothing(own_lane):
    """The real server keeps the attributes before the bad one."""
    _, made = own_lane(echo, [toxic("latency", latency=1)])
    path = f"/proxies/{made.name}/toxics/latency_downstream"
    before = call(own_lane.url, "GET", path)[1]
    for body in ({"attributes": {"jitter": 5, "latency": "x"}}, {"attributes": {"latency": 9}, "toxicity": "x"}):
        assert 400 == call(own_lane.url, "PATCH", path, body)[0]
        assert before == call(own_lane.url, "GET", path)[1]


@pytest.fixture
def deaf():
    """An address that neither accepts nor refuses: a listener with a full queue."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        filling = []
        for _ in range(3):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
            filling.append(sock)
        yield listener
        for sock in filling:
            sock.close()


def test_a_dial_that_hangs_hangs_nobody_else(own_lane, deaf):
    """Calls on the proxy and later clients go on at once."""
    origin, made = own_lane(echo)
    path = f"/proxies/{made.name}"
    call(own_lane.url, "PATCH", path, {"upstream": f"127.0.0.1:{deaf.getsockname()[1]}"})
    with client(made) as stuck:
        begin = time.monotonic()
        assert 200 == call(own_lane.url, "POST", path + "/toxics", {"type": "noop"})[0]
        assert 200 == call(own_lane.url, "PATCH", path, {"upstream": origin.address})[0]
        assert time.monotonic() - begin < 1
        assert b"" == read_all(stuck)[0]
        with client(made) as sock:
            sock.sendall(b"x")
            assert b"x" == exactly(sock, 1)


def test_a_client_that_never_reads_blocks_nobody(own_lane):
    """Toxics are changed, another client is served, and the proxy is deleted, all at once."""

    def floods(origin, sock):
        if sock.recv(1) == b"f":
            while True:
                sock.sendall(bytes(65536))
        sock.sendall(b"y")

    _, made = own_lane(floods, [toxic("latency", latency=1)])
    with client(made) as stuck, client(made) as other:
        stuck.sendall(b"f")
        time.sleep(0.3)
        begin = time.monotonic()
        path = f"/proxies/{made.name}"
        for _ in range(5):
            assert 200 == call(own_lane.url, "POST", path + "/toxics", toxic("bandwidth", rate=1000))[0]
            assert 204 == call(own_lane.url, "DELETE", path + "/toxics/bandwidth_downstream")[0]
        other.sendall(b"x")
        assert b"y" == exactly(other, 1)
        assert 204 == call(own_lane.url, "DELETE", path)[0]
        assert time.monotonic() - begin < 2


@pytest.mark.parametrize("change", ["create", "update", "populate", "reset"])
def test_a_delete_during_a_lookup_leaves_no_listener(loop, monkeypatch, change):
    """What a slow name was looked up for is not done to a proxy that is gone meanwhile."""
    going, slow = threading.Event(), threading.Event()
    real = asyncio.BaseEventLoop.getaddrinfo

    async def getaddrinfo(self, host, port, **options):
        if host == "slow.test":
            going.set()
            await asyncio.to_thread(slow.wait, 5)
            host = "127.0.0.1"
        return await real(self, host, port, **options)

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    server = EmbeddedServer()
    loop.run(server.start())
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    entry = {"name": "p", "upstream": "127.0.0.1:1", "listen": f"slow.test:{port}"}
    calls = {"create": ("POST", "/proxies", entry), "populate": ("POST", "/populate", [entry]),
             "update": ("PATCH", "/proxies/p", {"listen": entry["listen"], "enabled": True}),
             "reset": ("POST", "/reset", None)}
    if change in ("update", "reset"):
        off = {**entry, "enabled": False, "listen": entry["listen"] if change == "reset" else ""}
        assert 201 == call(server.url, "POST", "/proxies", off)[0]
    answers = []
    thread = threading.Thread(target=lambda: answers.append(call(server.url, *calls[change])[0]))
    thread.start()
    assert going.wait(5)
    begin = time.monotonic()
    status = call(server.url, "DELETE", "/proxies/p")[0]
    assert time.monotonic() - begin < 1
    assert (404 if change in ("create", "populate") else 204) == status
    slow.set()
    thread.join()
    assert {"create": [201], "populate": [201], "update": [404], "reset": [204]}[change] == answers
    names = list(json.loads(call(server.url, "GET", "/proxies")[1]))
    with socket.socket() as sock:
        assert (names == []) is (sock.connect_ex(("127.0.0.1", port)) != 0)
    loop.run(server.stop())
    with socket.socket() as sock:
        assert 0 != sock.connect_ex(("127.0.0.1", port))


def test_the_same_name_made_twice_during_a_lookup(loop, monkeypatch):
    """Of two creates whose names are looked up at once, one is made and one refused."""
    real = _address.resolve

    async def resolve(address):
        await asyncio.sleep(0.05)
        return await real(address)

    monkeypatch.setattr("galeproof.toxiproxy.embedded._api.resolve", resolve)
    server = EmbeddedServer()
    loop.run(server.start())
    answers = []
    entry = {"name": "p", "upstream": "x", "listen": "127.0.0.1:0"}
    threads = [threading.Thread(target=lambda: answers.append(call(server.url, "POST", "/proxies", entry)[0]))
               for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    loop.run(server.stop())
    assert [201, 409] == sorted(answers)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Host: localhost", 200),
        (b"Host: 127.0.0.1:1", 200),
        (b"Host: evil.example", 403),
        (b"Host: localhost\r\nOrigin: http://evil.example", 403),
        (b"Host: localhost\r\nUser-Agent: Mozilla/5.0", 403),
    ],
)
def test_only_this_machines_programs_may_ask(embedded_url, headers, status):
    """Bound to loopback, a foreign Host (a rebound name) or any Origin (a page) gets 403."""
    got = raw(embedded_url, b"GET /proxies HTTP/1.1\r\n" + headers + b"\r\nConnection: close\r\n\r\n")
    assert str(status).encode() == got.split()[1]


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (b"hello\r\n\r\n", b"400"),
        (b"GET /version HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /%zz HTTP/1.0\r\n\r\n", b"400"),
        (b"POST /reset HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 70_000, b"431"),
    ],
)
def test_what_is_no_http_is_refused(embedded_url, request_text, status):
    """One answer, and the connection is closed."""
    assert status == raw(embedded_url, request_text).split()[1]


def test_pipelined_requests_are_answered_in_order(embedded_url):
    """Two requests in one packet get two answers on one connection."""
    request = b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = request.replace(b"version", b"proxies").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    got = raw(embedded_url, request + last)
    assert 2 == got.count(b"HTTP/1.1 200 OK")
    assert got.endswith(b"{}")


def test_nothing_is_left_of_ended_connections(own_lane):
    """Connections ended from either side, by reset and by toxics, leave nothing open."""
    _, made = own_lane(echo, [toxic("latency", latency=1), toxic("limit_data", "upstream", bytes=3)])
    for number in range(20):
        sock = socket.create_connection((made.host, made.port), timeout=10)
        sock.sendall(b"abcd"[: number % 5])
        if number % 2:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
    path = f"/proxies/{made.name}?traffic=true"
    assert until(lambda: 0 == json.loads(call(own_lane.url, "GET", path)[1])["traffic"]["open"])


def test_a_client_of_the_api_that_does_not_read_is_not_answered_on(loop):
    """Answers are not piled up in memory for it; all come, in order, once it reads."""
    server = EmbeddedServer()
    loop.run(server.start())
    try:
        for number in range(100):
            call(server.url, "POST", "/proxies", {"name": f"p{number}", "upstream": "x" * 2000, "enabled": False})
        size = len(call(server.url, "GET", "/proxies")[1])
        request = b"GET /proxies HTTP/1.1\r\nHost: localhost\r\n\r\n"
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as sock:
            sock.sendall(request * 200)
            call(server.url, "GET", "/version")
            time.sleep(0.5)
            (silent,) = server._clients
            assert silent.transport.get_write_buffer_size() < 2 * (size + 1000)
            sock.shutdown(socket.SHUT_WR)
            assert 200 == read_all(sock)[0].count(b"HTTP/1.1 200 OK")
    finally:
        loop.run(server.stop())
