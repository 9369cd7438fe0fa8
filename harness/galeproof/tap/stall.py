"""A TLS handshake that never ends: connections are accepted, and no ServerHello comes, or drop by
drop."""

from __future__ import annotations

import asyncio

__all__ = ["Stall"]

_HELLO = b"\x16\x03\x03\x0f\xa0\x02\x00\x0f\x9c\x03\x03"  # a record of 4000 bytes, so it says
_REST = 4000


class Stall:
    """A listener that stalls every handshake.

    Args:
        drip_s: Seconds between two bytes of a ServerHello; nothing is sent if 0.

    Attributes:
        accepted: Connections that came.
        hellos: Those that sent the beginning of a handshake.
    """

    def __init__(self, drip_s: float = 0.0) -> None:
        self.drip_s = drip_s
        self.accepted = self.hellos = 0
        self._open: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Stalled(self), host, port, backlog=1024,
                                                reuse_address=True)

    def close(self) -> None:
        """Free the port, and end what hangs."""
        if self._server:
            self._server.close()
        for transport in list(self._open):
            transport.abort()


class _Stalled(asyncio.Protocol):
    """One connection of a stall."""

    def __init__(self, stall: Stall) -> None:
        self._stall = stall
        self._heard = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._stall.accepted += 1
        self._stall._open.add(transport)

    def data_received(self, data: bytes) -> None:
        if self._heard:
            return
        self._heard = True
        self._stall.hellos += data[:1] == b"\x16"
        if self._stall.drip_s:
            self._drip(0)

    def _drip(self, at: int) -> None:
        if self._transport.is_closing() or at >= _REST:
            return
        self._transport.write(_HELLO[at : at + 1] or b"\x00")
        self._timer = asyncio.get_running_loop().call_later(self._stall.drip_s, self._drip, at + 1)

    def connection_lost(self, error: Exception | None) -> None:
        self._stall._open.discard(self._transport)
        if self._timer:
            self._timer.cancel()
