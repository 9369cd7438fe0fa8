"""The origin of the benchmark: a process of its own, one thread a connection.

The first byte of a connection says what it wants: `e` echo, `s` and eight digits of MiB to be
sent, `d` drain to the end, `c` nothing: it is closed at once.
"""

from __future__ import annotations

import socket
import threading

_BLOCK = bytes(1 << 20)


def _exactly(sock: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count and (data := sock.recv(count - len(got))):
        got += data
    return got


def _serve(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    view = memoryview(bytearray(1 << 18))
    try:
        want = sock.recv(1)
        if want == b"s":
            for _ in range(int(_exactly(sock, 8))):
                sock.sendall(_BLOCK)
        elif want == b"e":
            while count := sock.recv_into(view):
                sock.sendall(view[:count])
        elif want == b"d":
            while sock.recv_into(view):
                pass
    except OSError:
        pass
    finally:
        sock.close()


def main() -> None:
    """Print the port, then serve until stdin ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listener.getsockname()[1], flush=True)
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=_serve, args=(sock,), daemon=True).start()


if __name__ == "__main__":
    main()
