"""One proxy: its listener, its toxics and its live connections."""

from __future__ import annotations

import asyncio
import socket

from galeproof.toxiproxy.embedded._address import Where, bind, text_of
from galeproof.toxiproxy.embedded._connection import Connection
from galeproof.toxiproxy.embedded._dial import Dial
from galeproof.toxiproxy.embedded._kernel import Room
from galeproof.toxiproxy.embedded._toxic import Toxic
from galeproof.toxiproxy.embedded._traffic import Flow, Ledger, Series, Traffic, count

__all__ = ["Proxy", "Shared"]

_ACCEPT_MAX = 64
_OUT_OF_FILES_S = 0.1


class Shared:
    """What the proxies of one server share.

    Args:
        seed: Of all chance in the server.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.room = Room()
        self.ledger = Ledger()


class Proxy:
    """A named listener that forwards to one upstream address.

    Nothing here waits: a name was looked up before, so that no change is seen half done.
    """

    def __init__(self, name: str, listen: str, upstream: str, shared: Shared) -> None:
        self.name = name
        self.listen = listen
        self.upstream = upstream
        self.enabled = False
        self.toxics: dict[str, list[Toxic]] = {"upstream": [], "downstream": []}
        self.traffic = Traffic()
        self._shared = shared
        self._loop = asyncio.get_running_loop()
        self._listener: socket.socket | None = None
        self._connections: set[Connection] = set()
        self._dials: dict[Dial, socket.socket] = {}

    def start(self, where: Where) -> None:
        """Listen, unless it does.

        Raises:
            AddressError: The address is busy or not ours.
        """
        if self.enabled:
            return
        self._listener = sock = bind(where)
        bound = sock.getsockname()
        self._loop.add_reader(sock.fileno(), self._accept)
        self.listen = text_of(str(bound[0]), int(bound[1]))
        self.enabled = True

    def stop(self) -> None:
        """Close the listener and every connection at once."""
        self.enabled = False
        if self._listener is not None:
            self._loop.remove_reader(self._listener.fileno())
            self._listener.close()
            self._listener = None
        for dial, client in list(self._dials.items()):
            dial.cancel()
            client.close()
        self._dials.clear()
        for connection in list(self._connections):
            connection.drop()

    def differs(self, where: Where, upstream: str) -> bool:
        """True if an update to these addresses needs a restart."""
        return self.upstream != upstream or self.listen != text_of(*where)

    def update(self, listen: str, where: Where, upstream: str, enabled: bool) -> None:
        """Change addresses and state; toxics are kept.

        Args:
            listen: The address as it was given.
            where: What it resolves to.
            upstream: Where to dial.
            enabled: Whether it should listen.

        Raises:
            AddressError: The new address is busy or not ours; the proxy is then disabled.
        """
        if self.differs(where, upstream):
            self.stop()
            self.listen, self.upstream = listen, upstream
        if enabled:
            self.start(where)
        elif self.enabled:
            self.stop()

    def find(self, name: str) -> Toxic | None:
        """The toxic of this name, of either direction."""
        return next((toxic for toxic in self.all_toxics() if toxic.name == name), None)

    def all_toxics(self) -> list[Toxic]:
        """All toxics: upstream first, then downstream, each in chain order."""
        return [*self.toxics["upstream"], *self.toxics["downstream"]]

    def add(self, toxic: Toxic) -> None:
        """Append a toxic; on live connections too, unless it is for the first ones to come."""
        stream = toxic.stream.lower()
        self.toxics[stream].append(toxic)
        if not toxic.limited:
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

    @property
    def open(self) -> int:
        """How many connections are open, those still dialling included."""
        return len(self._connections) + len(self._dials)

    def flow(self, stream: str) -> Flow:
        """The bytes of one direction, live connections included."""
        total = self.traffic.flows[stream]
        flows = [connection.links[stream].flow for connection in self._connections]
        return Flow(total.received + sum(flow.received for flow in flows),
                    total.sent + sum(flow.sent for flow in flows))

    def _accept(self) -> None:
        listener = self._listener
        for _ in range(_ACCEPT_MAX):
            if listener is None or listener is not self._listener:
                return
            try:
                client, _address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # no file descriptor left: others may close theirs
                self._loop.remove_reader(listener.fileno())
                self._loop.call_later(_OUT_OF_FILES_S, self._accept_again, listener)
                return
            client.setblocking(False)
            self._dial(client)

    def _accept_again(self, listener: socket.socket) -> None:
        if listener is self._listener:
            self._loop.add_reader(listener.fileno(), self._accept)

    def _dial(self, client: socket.socket) -> None:
        self.traffic.accepted += 1
        series = Series(self.name, self.listen, self.upstream)
        count(self._shared.ledger.connections, series)
        seed = f"{self._shared.seed}/{self.name}/{self.traffic.accepted}"

        def done(server: socket.socket | None) -> None:
            self._dials.pop(dial, None)
            if server is None:
                # As Toxiproxy: FIN, or the kernel's RST where the client had sent bytes.
                client.close()
                self.traffic.refused += 1
                count(self._shared.ledger.refused, series)
            else:
                self._connect(client, server, seed, series)

        dial = Dial(self._loop, done)
        self._dials[dial] = client
        dial.begin(self.upstream)

    def _connect(
        self, client: socket.socket, server: socket.socket, seed: str, series: Series
    ) -> None:
        connection = Connection(client, server, self._loop, self._shared.room, seed)

        def done() -> None:
            self._connections.discard(connection)
            ledger = self._shared.ledger
            for stream, link in connection.links.items():
                flow, total = link.flow, self.traffic.flows[stream]
                total.received += flow.received
                total.sent += flow.sent
                labels = Series(series.proxy, series.listener, series.upstream, stream)
                count(ledger.received, labels, flow.received)
                if not link.broken:
                    count(ledger.sent, labels, flow.sent)

        self._connections.add(connection)
        connection.start(self.toxics, done)
