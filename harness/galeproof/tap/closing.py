"""Making a close kind on a socket: what the kernel needs for a true RST or FIN."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys

__all__ = ["arm_reset", "unread", "unsent"]

_LINGER_ZERO = struct.pack("ii", 1, 0)
_SIOCOUTQ = 0x5411
_TCP_CLOSE = 7  # of the kernel's states


def unsent(transport: asyncio.Transport, sock: socket.socket) -> int:
    """Return how many bytes are not yet with the peer's kernel.

    A reset throws away what is still queued here, so a close waits for 0 (bounded).
    """
    left = transport.get_write_buffer_size()
    if sys.platform == "linux":
        import fcntl  # Linux only

        queued: int = struct.unpack("i", fcntl.ioctl(sock.fileno(), _SIOCOUTQ, b"\0" * 4))[0]
        left += queued
    return left


def arm_reset(sock: socket.socket) -> None:
    """Make the coming close a RST (SO_LINGER with time 0)."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)


def unread(sock: socket.socket) -> dict[str, bool]:
    """Return ``{"unread": True}`` where nobody was there any more to read what was written last: the peer's
    kernel has answered it with a reset, as it does where the socket is closed. A peer that closed its own
    side only still reads."""
    if sys.platform != "linux":
        return {}
    try:
        gone = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_CLOSE
    except OSError:
        gone = True
    return {"unread": True} if gone else {}
