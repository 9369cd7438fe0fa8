"""What only the embedded server has: toxics of ours, the first N connections, traffic counters."""

import json
import socket
import struct
import time

import pytest
from toxirig import call, client, echo, exactly, read_all, sends, sink, toxic, until

RESET = struct.pack("ii", 1, 0)


@pytest.mark.parametrize("limit", [1, 1000, 100_001])
def test_reset_after_carries_then_resets(own_lane, limit):
    """Exactly so many bytes arrive, then RST; the origin sees one too."""

    def sends_and_waits(origin, sock):
        sends(200_000)(origin, sock)
        sock.recv(1)

    origin, made = own_lane(sends_and_waits, [toxic("reset_after", bytes=limit)])
    with client(made) as sock:
        assert (bytes(i % 251 for i in range(limit)), "RST") == read_all(sock)
    assert until(lambda: origin.ends == ["ConnectionResetError"])


def test_reset_after_nothing_resets_at_once(own_lane):
    """With 0 bytes a silent connection is reset as soon as it is there."""
    _, made = own_lane(echo, [toxic("reset_after", bytes=0)])
    try:
        with client(made) as sock:
            assert (b"", "RST") == read_all(sock)
    except ConnectionResetError:  # so soon that connect() saw it
        pass


def test_reset_after_upstream(own_lane):
    """Upstream, the origin gets the bytes and then RST."""
    origin, made = own_lane(sink, [toxic("reset_after", "upstream", bytes=700)])
    with client(made) as sock:
        sock.sendall(bytes(1500))
        assert (b"", "RST") == read_all(sock)
    assert until(lambda: origin.ends == [700, "ConnectionResetError"])


def test_stall_after_carries_then_nothing(own_lane):
    """So many bytes arrive, then neither byte nor end; raising the limit lets exactly more go."""
    _, made = own_lane(sends(1000), [toxic("stall_after", bytes=300)])
    path = f"/proxies/{made.name}/toxics/stall_after_downstream"
    with client(made) as sock:
        assert 300 == len(exactly(sock, 300))
        sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.settimeout(10)
        call(own_lane.url, "PATCH", path, {"attributes": {"bytes": 500}})
        assert 200 == len(exactly(sock, 200))
        call(own_lane.url, "DELETE", path)
        rest, end = read_all(sock)
        assert (500, "FIN") == (len(rest), end)


def test_stall_is_let_go_when_both_have_ended(own_lane):
    """Where origin and client have both closed, no socket is kept for the stalled bytes."""
    _, made = own_lane(sends(1000), [toxic("stall_after", bytes=300)])
    with client(made) as sock:
        exactly(sock, 300)
    assert until(lambda: 0 == traffic(own_lane.url, made)["open"])


def test_half_close_is_forwarded(own_lane):
    """Under forward_close a client that ends its write side still gets the answer."""

    def answers_at_the_end(origin, sock):
        got = b""
        while data := sock.recv(100):
            got += data
        sock.sendall(got.upper())

    _, made = own_lane(answers_at_the_end, [toxic("forward_close", "upstream", half_close=1)])
    with client(made) as sock:
        sock.sendall(b"question")
        sock.shutdown(socket.SHUT_WR)
        assert (b"QUESTION", "FIN") == read_all(sock)
    assert until(lambda: 0 == traffic(own_lane.url, made)["open"])


@pytest.mark.parametrize(("forwarded", "end"), [(0, "FIN"), (1, "RST")])
def test_a_reset_is_forwarded(own_lane, forwarded, end):
    """The origin's RST arrives as RST after the bytes before it, if that is asked for."""

    def reset(origin, sock):
        sock.sendall(b"part")
        time.sleep(0.05)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    _, made = own_lane(reset, [toxic("forward_close", reset=forwarded)])
    with client(made) as sock:
        assert (b"part", end) == read_all(sock)


def test_first_connections_only(own_lane):
    """A toxic for the first two connections leaves the third alone, and those before it."""
    _, made = own_lane(sends(1000))
    path = f"/proxies/{made.name}/toxics"
    body = json.loads(call(own_lane.url, "POST", path, toxic("limit_data", bytes=10, first_connections=2))[1])
    assert {"bytes": 10, "first_connections": 2} == body["attributes"]
    lengths = []
    for _ in range(4):
        with client(made) as sock:
            lengths.append(len(read_all(sock)[0]))
    assert [10, 10, 1000, 1000] == lengths
    call(own_lane.url, "PATCH", path + "/limit_data_downstream", {"attributes": {"first_connections": 3}})
    with client(made) as sock:
        assert 10 == len(read_all(sock)[0])
    shown = call(own_lane.url, "PATCH", path + "/limit_data_downstream", {"attributes": {"first_connections": 0}})[1]
    assert {"bytes": 10} == json.loads(shown)["attributes"]


def test_first_connections_cannot_be_negative(own_lane):
    """That is refused."""
    _, made = own_lane(echo)
    wanted = toxic("noop", first_connections=-1)
    assert 400 == call(own_lane.url, "POST", f"/proxies/{made.name}/toxics", wanted)[0]


def traffic(url, made):
    return json.loads(call(url, "GET", f"/proxies/{made.name}?traffic=true")[1])["traffic"]


def test_traffic_tells_whether_bytes_went_through(own_lane):
    """The counters of a proxy follow its live connections; old answers do not change."""
    _, made = own_lane(echo)
    assert {"connections": 0, "refused": 0, "open": 0, "upstream": {"received": 0, "sent": 0},
            "downstream": {"received": 0, "sent": 0}} == traffic(own_lane.url, made)
    with client(made) as sock:
        sock.sendall(b"12345")
        exactly(sock, 5)
        seen = traffic(own_lane.url, made)
        assert (1, 1) == (seen["connections"], seen["open"])
        assert {"received": 5, "sent": 5} == seen["upstream"] == seen["downstream"]
    assert until(lambda: 0 == traffic(own_lane.url, made)["open"])
    assert 5 == traffic(own_lane.url, made)["upstream"]["sent"]
    assert "traffic" not in call(own_lane.url, "GET", f"/proxies/{made.name}")[1]
    assert "traffic" in json.loads(call(own_lane.url, "GET", "/proxies?traffic=true")[1])[made.name]


def test_traffic_counts_upstreams_that_refuse(own_lane):
    """A client that was accepted and had nowhere to go is counted as refused."""
    made = own_lane.plane.create("t-nowhere", "127.0.0.1:1")
    with client(made) as sock:
        read_all(sock)
    seen = traffic(own_lane.url, made)
    assert (1, 1, 0) == (seen["connections"], seen["refused"], seen["open"])


def test_dropped_bytes_are_received_and_not_sent(own_lane):
    """Under a timeout toxic the two counters part."""
    _, made = own_lane(echo, [toxic("timeout", "upstream", timeout=0)])
    with client(made) as sock:
        sock.sendall(b"lost")
        assert until(lambda: {"received": 4, "sent": 0} == traffic(own_lane.url, made)["upstream"])
