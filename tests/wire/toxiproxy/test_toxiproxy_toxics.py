"""Each toxic on the wire: bytes, close kind, who closed, times within a tolerance."""

import select
import socket
import time

import pytest
from toxirig import call, client, echo, exactly, read_all, sends, sink, toxic, until


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
    begin = time.monotonic()
    with client(made) as sock:
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
    socks = [socket.create_connection((made.host, made.port), timeout=10) for _ in range(50)]
    for sock in socks:
        sock.sendall(b"a")
    answered = set()
    end = time.monotonic() + 10
    while time.monotonic() < end:  # until nobody else answers for half a second, however busy the machine
        ready = set(select.select(set(socks) - answered, [], [], 0.5)[0])
        answered |= ready
        if len(answered) >= 5 and not ready:
            break
    assert {b"a"} == {sock.recv(1) for sock in answered}
    for sock in socks:
        sock.close()
    assert 5 <= len(answered) <= 45
