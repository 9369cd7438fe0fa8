"""One proxied connection: two sockets and the two links between them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence

from galeproof.toxiproxy.embedded._endpoint import Endpoint
from galeproof.toxiproxy.embedded._kernel import Room
from galeproof.toxiproxy.embedded._link import Link
from galeproof.toxiproxy.embedded._toxic import Toxic

__all__ = ["Connection"]


class Connection:
    """A client's socket, the upstream's socket, and a link each way.

    Args:
        client: Accepted and connected.
        server: Dialled and connected.
        loop: Its clock, timers, readers and writers.
        room: What all sockets share.
        seed: Names this connection's sources of chance.
    """

    def __init__(
        self,
        client: socket.socket,
        server: socket.socket,
        loop: asyncio.AbstractEventLoop,
        room: Room,
        seed: str,
    ) -> None:
        self._client = client_end = Endpoint(client, loop, room)
        self._server = server_end = Endpoint(server, loop, room)
        up = Link(client_end, server_end, loop, f"{seed}/upstream")
        down = Link(server_end, client_end, loop, f"{seed}/downstream")
        up.other, down.other = down, up
        client_end.attach(up, down, server_end)
        server_end.attach(down, up, client_end)
        self._over = False
        self.links: Mapping[str, Link] = {"upstream": up, "downstream": down}

    def start(self, toxics: Mapping[str, Sequence[Toxic]], on_done: Callable[[], None]) -> None:
        """Build both chains and begin to read; ``on_done`` is called once both sockets are gone."""

        def lost() -> None:
            # Each side tells it; where both went at once, the first of them is enough.
            if self._client.lost and self._server.lost and not self._over:
                self._over = True
                on_done()

        chains = {stream: [toxic for toxic in chain if toxic.admit()]
                  for stream, chain in toxics.items()}
        resets = any(toxic.kind.resets for chain in chains.values() for toxic in chain)
        for end in (self._client, self._server):
            end.on_lost = lost
            if resets:
                end.reset_on_close()
        for stream, link in self.links.items():
            link.start(chains[stream])
        for link in self.links.values():
            link.pump()

    def drop(self) -> None:
        """Close both sockets at once."""
        self._client.drop()
        self._server.drop()
