"""The data path with no toxic: bytes, order, who closes and how."""

import socket
import time

from toxirig import client, echo, exactly, read_all, sends, toxic, until

from galeproof.toxiproxy.control import ControlPlane


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
