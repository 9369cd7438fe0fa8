"""Changes on live connections: add, PATCH, DELETE, disable, reset."""

import time

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
