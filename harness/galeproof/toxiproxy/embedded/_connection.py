"""One proxied connection: two sockets and the two links between them."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import cast

from galeproof.toxiproxy.embedded._link import Link
from galeproof.toxiproxy.embedded._stage import Toxic

if sys.platform == "linux":
    import fcntl
    import termios

__all__ = ["Connection", "Endpoint"]

_LINGER_S = 5.0
_RESET = struct.pack("ii", 1, 0)


def _unacknowledged(fd: int) -> int:
    """Bytes in the kernel's send queue that the peer has not acknowledged."""
    if sys.platform != "linux":
        return 0
    try:
        return cast("int", struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(4)))[0])
    except OSError:
        return 0


def _discard_unread(fd: int) -> None:
    """Empty the receive queue: close() with unread bytes would send RST, not FIN."""
    try:
        while os.read(fd, 65536):
            pass
    except OSError:
        pass


class Endpoint(asyncio.Protocol):
    """One socket of a connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.outgoing: Link | None = None
        self.incoming: Link | None = None
        self.transport: asyncio.Transport
        self.congested = False
        self.lost = False
        self.on_made: Callable[[Endpoint], None] | None = None
        self.on_lost: Callable[[], None] | None = None
        self._loop = loop
        self._held = False
        self._closing = False
        self._resets = False
        self._give_up = 0.0
        self._wait_s = 0.001

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.hold(True)
        if self.on_made is not None:
            self.on_made(self)

    def data_received(self, data: bytes) -> None:
        if self.outgoing is not None:
            self.outgoing.feed(data)

    def eof_received(self) -> bool:
        if self.outgoing is not None:
            self.outgoing.source_ended()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if self.incoming is not None:
            self.incoming.cancel()
        if self.outgoing is not None:
            self.outgoing.source_ended()
        if self.on_lost is not None:
            self.on_lost()

    def pause_writing(self) -> None:
        self.congested = True
        if self.incoming is not None:
            self.incoming.pump()

    def resume_writing(self) -> None:
        self.congested = False
        if self.incoming is not None:
            self.incoming.room()

    def write(self, data: bytes) -> None:
        """Send; a lost socket swallows."""
        if not self.lost:
            self.transport.write(data)

    def hold(self, held: bool) -> None:
        """Stop or resume reading."""
        if held is self._held or self.lost or self.transport.is_closing():
            return
        self._held = held
        if held:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def reset_on_close(self) -> None:
        """Make every later close of this socket a RST."""
        self._resets = True
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    def close_after_flush(self) -> None:
        """Close both directions once everything written has reached the peer."""
        if self._closing or self.lost:
            return
        self._closing = True
        self._give_up = self._loop.time() + _LINGER_S
        self.hold(False)
        if not self._try_close() and not self._resets:
            self.transport.write_eof()

    def drop(self) -> None:
        """Close at once; what was not sent is lost."""
        if not self.lost:
            _discard_unread(self.transport.get_extra_info("socket").fileno())
            self.transport.abort()

    def _try_close(self) -> bool:
        if self.lost or self.transport.is_closing():
            return True
        fd = self.transport.get_extra_info("socket").fileno()
        unsent = self.transport.get_write_buffer_size() > 0
        # 1: a FIN in the queue counts as one byte.
        if unsent or (_unacknowledged(fd) > 1 and self._loop.time() < self._give_up):
            self._loop.call_later(self._wait_s, self._try_close)
            self._wait_s = min(0.05, self._wait_s * 2)
            return False
        _discard_unread(fd)
        self.transport.close()
        return True


class Connection:
    """A client's socket, the upstream's socket, and a link each way."""

    def __init__(
        self, client: Endpoint, server: Endpoint, loop: asyncio.AbstractEventLoop, rng: Random
    ) -> None:
        self._client = client
        self._server = server
        self.links: Mapping[str, Link] = {
            "upstream": Link(client, server, loop, rng),
            "downstream": Link(server, client, loop, rng),
        }
        up, down = self.links["upstream"], self.links["downstream"]
        up.other, down.other = down, up
        client.outgoing, client.incoming = up, down
        server.outgoing, server.incoming = down, up

    def start(self, toxics: Mapping[str, Sequence[Toxic]], on_done: Callable[[], None]) -> None:
        """Build both chains and begin to read."""

        def lost() -> None:
            if self._client.lost and self._server.lost:
                on_done()

        ends = (self._client, self._server)
        if any(toxic.kind.resets for chain in toxics.values() for toxic in chain):
            for end in ends:
                if not end.lost:
                    end.reset_on_close()
        for stream, link in self.links.items():
            link.start(toxics[stream])
        for end in ends:
            end.on_lost = lost
            end.hold(False)
        for end in ends:
            if end.lost and end.outgoing is not None:
                end.outgoing.source_ended()
        lost()

    def drop(self) -> None:
        """Close both sockets at once."""
        for link in self.links.values():
            link.cancel()
        self._client.drop()
        self._server.drop()
