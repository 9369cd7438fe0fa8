"""What the sockets of one loop need of the kernel: a buffer, pipes for splice(2), SO_LINGER, queues."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from dataclasses import dataclass

if sys.platform == "linux":
    import fcntl
    import termios

__all__ = ["Pipe", "Pipes", "Room", "make_resetting", "unacknowledged"]

_READ_MAX = 256 * 1024
_RESET = struct.pack("ii", 1, 0)

_SIZE = 1 << 20
_MAX = 48
_F_SETPIPE_SZ = 1031


@dataclass(slots=True, eq=False)
class Pipe:
    """A pipe, and how many bytes are in it."""

    read_fd: int
    write_fd: int
    size: int
    held: int = 0


class Pipes:
    """A pool of empty pipes; few are needed, as one is taken only while it holds bytes."""

    def __init__(self) -> None:
        self._free: list[Pipe] = []
        self._made = 0
        self._able = hasattr(os, "splice")

    def take(self) -> Pipe | None:
        """An empty pipe, or None: the system has no splice, or no more pipes."""
        if self._free:
            return self._free.pop()
        if not self._able or self._made >= _MAX:  # then bytes are copied
            return None
        try:
            read_fd, write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        self._made += 1
        return Pipe(read_fd, write_fd, _grow(write_fd))

    def give_back(self, pipe: Pipe) -> None:
        """Return a pipe; one that still holds bytes is closed."""
        if pipe.held or not self._able:
            self._close(pipe)
        else:
            self._free.append(pipe)

    def disable(self) -> None:
        """Hand out no more of them."""
        self._able = False
        self.close()

    def close(self) -> None:
        """Close the free ones."""
        while self._free:
            self._close(self._free.pop())

    def _close(self, pipe: Pipe) -> None:
        self._made -= 1
        os.close(pipe.read_fd)
        os.close(pipe.write_fd)


def _grow(fd: int) -> int:
    if sys.platform != "linux":
        return 1 << 16
    with contextlib.suppress(OSError):  # an unprivileged user has a budget of pipe pages
        return fcntl.fcntl(fd, _F_SETPIPE_SZ, _SIZE)
    return 1 << 16


class Room:
    """What the sockets of one loop share: a buffer to read into, and pipes."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(_READ_MAX))
        self.pipes = Pipes()


def make_resetting(sock: socket.socket) -> None:
    """Make every later close of a socket a RST."""
    with contextlib.suppress(OSError):  # gone already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def unacknowledged(fd: int) -> int:
    """Bytes in the kernel's send queue that the peer has not acknowledged."""
    if sys.platform != "linux":
        return 0
    try:
        return int(struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(4)))[0])
    except OSError:
        return 0
