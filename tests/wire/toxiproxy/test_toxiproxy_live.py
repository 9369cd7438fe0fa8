"""Changes on live connections: add, PATCH, DELETE, disable, reset."""

import json
import socket
import time

import pytest
from toxirig import call, client, echo, exactly, read_all, toxic


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


def lives(sock):
    sock.sendall(b"?")
    return b"?" == exactly(sock, 1)


def change(url, made, **wanted):
    return call(url, "PATCH", f"/proxies/{made.name}", wanted)


def test_an_update_that_changes_nothing_keeps_connections(url, lane):
    """Nor does a host name that resolves to the bound address."""
    origin, made = lane(echo)
    with client(made) as sock:
        assert lives(sock)
        for wanted in ({}, {"enabled": True}, {"upstream": origin.address}, {"listen": f"localhost:{made.port}"}):
            assert 200 == change(url, made, **wanted)[0]
            assert lives(sock)


@pytest.mark.parametrize("wanted", [{"upstream": "127.0.0.1:1"}, {"listen": "127.0.0.1:0"}, {"enabled": False}])
def test_an_update_that_differs_closes_connections_and_keeps_toxics(url, lane, wanted):
    """At once, with FIN."""
    _, made = lane(echo, [toxic("noop")])
    with client(made) as sock:
        assert lives(sock)
        body = json.loads(change(url, made, **wanted)[1])
        assert (b"", "FIN") == read_all(sock)
    assert ["noop"] == [found["type"] for found in body["toxics"]]


def test_an_update_to_a_busy_port_disables(url, lane):
    """The answer is 500; the new address is kept, the proxy is off."""
    _, made = lane(echo, [toxic("noop")])
    _, other = lane(echo)
    busy = f"127.0.0.1:{other.port}"
    status, body, _ = change(url, made, listen=busy)
    assert (500, f"listen tcp {busy}: bind: address already in use") == (status, json.loads(body)["error"])
    shown = json.loads(call(url, "GET", f"/proxies/{made.name}")[1])
    assert (busy, False, 1) == (shown["listen"], shown["enabled"], len(shown["toxics"]))


def test_a_deleted_proxys_port_is_free_at_once(url, lane):
    """Connections that it had do not stand in the way."""
    origin, made = lane(echo)
    for _ in range(5):
        with client(made) as sock:
            assert lives(sock)
            assert 204 == call(url, "DELETE", f"/proxies/{made.name}")[0]
            assert (b"", "FIN") == read_all(sock)
        wanted = {"name": made.name, "listen": f"127.0.0.1:{made.port}", "upstream": origin.address}
        assert 201 == call(url, "POST", "/proxies", wanted)[0]


def test_reset_starts_what_is_stopped_and_removes_toxics(url, lane):
    """Live connections are kept, but for those under a timeout toxic."""
    _, made = lane(echo, [toxic("latency", latency=1)])
    _, stuck = lane(echo, [toxic("timeout", timeout=0)])
    _, off = lane(echo, [toxic("noop")])
    change(url, off, enabled=False)
    with client(made) as sock, client(stuck) as lost:
        assert lives(sock)
        lost.sendall(b"x")
        time.sleep(0.05)
        assert 204 == call(url, "POST", "/reset", b"ignored")[0]
        assert lives(sock)
        assert (b"", "FIN") == read_all(lost)
    with client(off) as sock:
        assert lives(sock)
    shown = json.loads(call(url, "GET", "/proxies")[1])
    assert [[], [], []] == [shown[lane_.name]["toxics"] for lane_ in (made, stuck, off)]


@pytest.mark.parametrize("stuck", [toxic("timeout", timeout=0), toxic("bandwidth", rate=0)], ids=lambda t: t["type"])
def test_a_stuck_toxic_hangs_no_call(url, lane, stuck):
    """Toxics before and behind it are added and removed at once."""
    _, made = lane(echo, [stuck])
    path = f"/proxies/{made.name}/toxics"
    with client(made) as sock:
        sock.sendall(b"x")
        time.sleep(0.05)
        begin = time.monotonic()
        assert 200 == call(url, "POST", path, {**toxic("latency", latency=1), "name": "t"})[0]
        assert 200 == call(url, "PATCH", path + "/t", {"toxicity": 0.5})[0]
        assert 204 == call(url, "DELETE", path + "/t")[0]
        assert time.monotonic() - begin < 2


def test_a_waiting_slow_close_closes_when_removed(url, lane):
    """At once."""

    def ends(origin, sock):
        sock.sendall(b"x")

    _, made = lane(ends, [toxic("slow_close", delay=5000)])
    with client(made) as sock:
        assert b"x" == exactly(sock, 1)
        time.sleep(0.05)
        begin = time.monotonic()
        call(url, "DELETE", f"/proxies/{made.name}/toxics/slow_close_downstream")
        assert (b"", "FIN") == read_all(sock)
        assert time.monotonic() - begin < 1


def test_a_limit_may_be_raised_live(url, lane):
    """What has passed stays counted."""
    _, made = lane(echo, [toxic("limit_data", bytes=10)])
    with client(made) as sock:
        sock.sendall(b"12345")
        assert b"12345" == exactly(sock, 5)
        body = {"attributes": {"bytes": 20}}
        assert 200 == call(url, "PATCH", f"/proxies/{made.name}/toxics/limit_data_downstream", body)[0]
        sock.sendall(bytes(30))
        assert (bytes(15), "FIN") == read_all(sock)


def test_reset_peer_added_to_a_live_connection_closes_it(url, lane):
    """With FIN: only sockets that began under it reset."""
    _, made = lane(echo)
    with client(made) as sock:
        assert lives(sock)
        call(url, "POST", f"/proxies/{made.name}/toxics", toxic("reset_peer", timeout=0))
        sock.sendall(b"x")
        assert (b"", "FIN") == read_all(sock)


def test_a_toxicity_is_rolled_again_at_a_patch(url, lane):
    """From never to always and back, on an open connection."""
    _, made = lane(echo, [toxic("latency", toxicity=0, latency=80)])
    path = f"/proxies/{made.name}/toxics/latency_downstream"
    with client(made) as sock:
        for toxicity, slow in ((0, False), (1, True), (0, False)):
            call(url, "PATCH", path, {"toxicity": toxicity})
            begin = time.monotonic()
            assert lives(sock)
            assert slow is (time.monotonic() - begin > 0.079)


def test_all_addresses_are_one_socket(url):
    """A proxy with no listen address is reached by IPv4 and IPv6."""
    made = json.loads(call(url, "POST", "/proxies", {"name": "t-all", "upstream": "127.0.0.1:1"})[1])
    host, _, port = made["listen"].rpartition(":")
    if host == "0.0.0.0":
        pytest.skip("no IPv6 on this machine")
    assert "[::]" == host
    for address in ("127.0.0.1", "::1"):
        with socket.create_connection((address, int(port)), timeout=5) as sock:
            assert (b"", "FIN") == read_all(sock)
    call(url, "DELETE", "/proxies/t-all")
