"""One proxy: its listener, its toxics and its live connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from random import Random

from galeproof.toxiproxy.embedded._address import (
    AddressError,
    bind,
    port_of,
    resolve,
    split,
    text_of,
)
from galeproof.toxiproxy.embedded._connection import Connection, Endpoint
from galeproof.toxiproxy.embedded._stage import Toxic

__all__ = ["Proxy"]

_DIAL_TIMEOUT_S = 30.0


class Proxy:
    """A named listener that forwards to one upstream address."""

    def __init__(
        self, name: str, listen: str, upstream: str, rng_of: Callable[[str, int], Random]
    ) -> None:
        self.name = name
        self.listen = listen
        self.upstream = upstream
        self.enabled = False
        self.toxics: dict[str, list[Toxic]] = {"upstream": [], "downstream": []}
        self._loop = asyncio.get_running_loop()
        self._rng_of = rng_of
        self._accepted = 0
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._dials: dict[asyncio.Task[None], Endpoint] = {}

    async def start(self) -> None:
        """Listen.

        Raises:
            AddressError: The address is bad or busy.
        """
        try:
            host, port = await resolve(self.listen)
        except AddressError as error:
            raise AddressError(f"listen tcp: {error}") from None
        if self.enabled:
            return
        sock = bind(host, port)
        bound = sock.getsockname()
        self._server = await self._loop.create_server(self._accept, sock=sock, backlog=1024)
        self.listen = text_of(str(bound[0]), int(bound[1]))
        self.enabled = True

    def stop(self) -> None:
        """Close the listener and every connection at once."""
        self.enabled = False
        if self._server is not None:
            self._server.close()
            self._server = None
        for task, client in list(self._dials.items()):
            task.cancel()
            client.drop()
        for connection in list(self._connections):
            connection.drop()
        self._connections.clear()

    async def differs(self, listen: str, upstream: str) -> bool:
        """True if an update to these addresses needs a restart.

        Raises:
            AddressError: The new listen address is bad.
        """
        host, port = await resolve(listen)
        return self.upstream != upstream or self.listen != text_of(host, port)

    async def update(self, listen: str, upstream: str, enabled: bool) -> None:
        """Change addresses and state; toxics are kept.

        Raises:
            AddressError: The new listen address is bad or busy; the proxy is then disabled.
        """
        same_text = listen == self.listen and upstream == self.upstream
        if not same_text and await self.differs(listen, upstream):
            self.stop()
            self.listen, self.upstream = listen, upstream
        if enabled and not self.enabled:
            await self.start()
        elif not enabled and self.enabled:
            self.stop()

    def find(self, name: str) -> Toxic | None:
        """The toxic of this name, of either direction."""
        return next((toxic for toxic in self.all_toxics() if toxic.name == name), None)

    def all_toxics(self) -> list[Toxic]:
        """All toxics: upstream first, then downstream, each in chain order."""
        return [*self.toxics["upstream"], *self.toxics["downstream"]]

    def add(self, toxic: Toxic) -> None:
        """Append a toxic, on live connections too."""
        stream = toxic.stream.lower()
        self.toxics[stream].append(toxic)
        for connection in list(self._connections):
            connection.links[stream].add(toxic)

    def changed(self, toxic: Toxic) -> None:
        """Make live connections follow a changed toxic."""
        for connection in list(self._connections):
            connection.links[toxic.stream.lower()].update(toxic)

    def remove(self, toxic: Toxic) -> None:
        """Remove a toxic, from live connections too."""
        stream = toxic.stream.lower()
        self.toxics[stream].remove(toxic)
        for connection in list(self._connections):
            connection.links[stream].remove(toxic)

    def _accept(self) -> Endpoint:
        client = Endpoint(self._loop)
        client.on_made = self._dial_for
        return client

    def _dial_for(self, client: Endpoint) -> None:
        number = self._accepted
        self._accepted += 1
        task = self._loop.create_task(self._dial(client, number))
        self._dials[task] = client
        task.add_done_callback(lambda done: self._dials.pop(done, None))

    async def _dial(self, client: Endpoint, number: int) -> None:
        """Connect upstream, each client on its own, then start the links."""
        server = Endpoint(self._loop)
        try:
            host, port = split(self.upstream)
            async with asyncio.timeout(_DIAL_TIMEOUT_S):
                await self._loop.create_connection(
                    lambda: server, host or "localhost", port_of(port),
                    family=socket.AF_UNSPEC,
                )
        except asyncio.CancelledError:
            # The proxy stopped; the dial may have been done in the same turn.
            if hasattr(server, "transport"):
                server.drop()
            raise
        except (AddressError, OSError):
            # As Toxiproxy: FIN, or the kernel's RST where the client had sent bytes.
            if not client.lost:
                client.transport.abort()
            return
        connection = Connection(client, server, self._loop, self._rng_of(self.name, number))
        self._connections.add(connection)
        connection.start(self.toxics, lambda: self._connections.discard(connection))
