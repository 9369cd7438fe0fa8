"""Ports that refuse or swallow connections.

A refusal leaves nothing on the wire that we could read, but the kernel counts the RST that it
answers with.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

from galeproof.kernel.clock import now_ns, sleep

__all__ = ["Blackhole", "wait_for_refusal"]

_SNMP = Path("/proc/net/snmp")
_LONGEST_NS = 250_000_000


def _resets() -> int | None:
    try:
        rows = [line.split() for line in _SNMP.read_text().splitlines() if line.startswith("Tcp:")]
        return int(rows[1][rows[0].index("OutRsts")])
    except (OSError, IndexError, ValueError):
        return None


async def wait_for_refusal(stop: asyncio.Event) -> bool:
    """Wait until the kernel has refused a connection, at most 0.25 s.

    Args:
        stop: Ends the wait early (the operation is over).

    Returns:
        True when a refusal was seen (Linux). The counter belongs to the whole network
        namespace, so that in rare cases another program's reset is taken for it.
    """
    start, before = now_ns(), _resets()
    while True:
        over = stop.is_set() or now_ns() - start >= _LONGEST_NS
        if before is not None and (_resets() or 0) > before:
            return True
        if over:
            return False
        await sleep(0.002)


class Blackhole:
    """A port where connecting never completes: its accept queue is full (Linux drops the SYN).

    Attributes:
        made: Whether a connection of our own hung there too, as it must.
    """

    def __init__(self, host: str, port: int) -> None:
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((host, port))
        self._listener.listen(0)
        self._fillers = [self._connect(host, port) for _ in range(4)]
        self.made = self._hangs(self._fillers[-1])

    @staticmethod
    def _connect(host: str, port: int) -> socket.socket:
        sock = socket.socket()
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            sock.connect((host, port))
        return sock

    @staticmethod
    def _hangs(sock: socket.socket) -> bool:
        try:
            sock.getpeername()
        except OSError:
            return True
        return False

    def close(self) -> None:
        """Free the port."""
        for sock in (*self._fillers, self._listener):
            sock.close()
