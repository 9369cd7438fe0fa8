"""Dials an upstream: each client on its own, with a limit, and with no task where none is needed."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable
from typing import Any

from galeproof.toxiproxy.embedded._address import AddressError, literal, old_form, port_of, split

__all__ = ["Dial"]

_LIMIT_S = 30.0
_UNDER_WAY = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)


class Dial:
    """One attempt to reach an upstream, address by address.

    Args:
        loop: Its timers and writers.
        on_done: Gets the connected socket, or None. Called once, perhaps within `begin`.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_done: Callable[[socket.socket | None], None]
    ) -> None:
        self._loop = loop
        self._on_done = on_done
        self._sock: socket.socket | None = None
        self._addresses: list[tuple[int, Any]] = []
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._over = False

    def begin(self, upstream: str) -> None:
        """Dial ``HOST:PORT``; a name is looked up first."""
        try:
            host, service = split(upstream)
            port = port_of(service)
        except AddressError:
            self._finish(None)
            return
        if old_form(host):  # getaddrinfo would take it, Go's resolver does not
            self._finish(None)
            return
        family = literal(host)
        if family is not None:
            self._addresses = [(family, (host, port))]
            self._next()
        else:
            self._task = self._loop.create_task(self._look_up(host or "localhost", port))
        if not self._over:
            self._timer = self._loop.call_later(_LIMIT_S, self._finish, None)

    def cancel(self) -> None:
        """Give up; ``on_done`` is not called."""
        self._on_done = _ignore
        self._finish(None)

    async def _look_up(self, host: str, port: int) -> None:
        try:
            found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            self._finish(None)
            return
        self._task = None
        self._addresses = [(entry[0], entry[4]) for entry in found]
        self._next()

    def _next(self) -> None:
        while self._addresses and not self._over:
            family, address = self._addresses.pop(0)
            try:
                self._sock = sock = socket.socket(family, socket.SOCK_STREAM)
                sock.setblocking(False)
                number = sock.connect_ex(address)
            except OSError:
                self._drop_socket()
                continue
            if number in _UNDER_WAY and not self._look():
                return
            if not self._over:
                self._drop_socket()
        self._finish(None)

    def _look(self) -> bool:
        """See how the connect stands; on loopback it is mostly done at once. True if decided."""
        sock = self._sock
        assert sock is not None
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            return True
        try:
            sock.getpeername()
        except OSError:
            self._loop.add_writer(sock.fileno(), self._writable)
            return False
        self._sock = None
        self._finish(sock)
        return True

    def _writable(self) -> None:
        sock = self._sock
        assert sock is not None
        self._loop.remove_writer(sock.fileno())
        if self._look() and not self._over:
            self._drop_socket()
            self._next()

    def _drop_socket(self) -> None:
        if self._sock is not None:
            with contextlib.suppress(ValueError, OSError):
                self._loop.remove_writer(self._sock.fileno())
            self._sock.close()
            self._sock = None

    def _finish(self, sock: socket.socket | None) -> None:
        if self._over:
            return
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._drop_socket()
        self._on_done(sock)


def _ignore(sock: socket.socket | None) -> None:
    if sock is not None:
        sock.close()
