"""The embedded server: its listener, its clients, and what its proxies share."""

from __future__ import annotations

import asyncio
import secrets

from galeproof.errors import EngineError
from galeproof.toxiproxy.embedded._address import AddressError, bind, resolve, text_of
from galeproof.toxiproxy.embedded._answers import Answer
from galeproof.toxiproxy.embedded._api import Api
from galeproof.toxiproxy.embedded._http import HttpClient
from galeproof.toxiproxy.embedded._metrics import Metrics
from galeproof.toxiproxy.embedded._proxy import Shared
from galeproof.toxiproxy.embedded._routes import Guard

__all__ = ["EmbeddedServer"]


class EmbeddedServer:
    """A Toxiproxy-compatible server in the running loop.

    Args:
        host: Where the control API listens.
        port: Its port; 0 takes a free one.
        seed: Makes every toxicity roll and jitter draw repeatable, for each proxy name,
            connection number, direction and toxic name; None draws a seed.
        proxy_metrics: Serve the bytes and connections of proxies on /metrics.
        runtime_metrics: Serve this process's own figures on /metrics.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        seed: int | None = None,
        *,
        proxy_metrics: bool = False,
        runtime_metrics: bool = False,
    ) -> None:
        self.url = ""
        self.seed = secrets.randbits(64) if seed is None else seed
        self._host = host
        self._port = port
        self._shared = Shared(self.seed)
        self._metrics = Metrics(self._shared.ledger, proxy=proxy_metrics, runtime=runtime_metrics)
        self._api = Api(self._shared, self._metrics)
        self._server: asyncio.Server | None = None
        self._clients: set[HttpClient] = set()

    async def start(self) -> int:
        """Listen; returns the port of the control API.

        Raises:
            EngineError: The address is busy or not ours.
        """
        loop = asyncio.get_running_loop()
        guard = Guard(self._host)
        try:
            sock = bind(await resolve(text_of(self._host, self._port)))
        except AddressError as error:
            raise EngineError(f"the control API cannot listen: {error}") from None
        self._server = await loop.create_server(
            lambda: HttpClient(self._api, guard, metrics=self._metrics.enabled,
                               on_made=self._clients.add, on_lost=self._clients.discard),
            sock=sock,
        )
        host, self._port = sock.getsockname()[:2]
        self.url = f"http://{text_of(host, self._port)}"
        return self._port

    async def populate(self, body: bytes) -> Answer:
        """Make the proxies of a JSON array, as POST /populate does."""
        return await self._api.populate(body)

    async def stop(self) -> None:
        """Close every listener and connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for proxy in self._api.proxies.values():
            proxy.stop()
        self._api.proxies.clear()
        for client in list(self._clients):
            client.transport.abort()
        # Sockets that were dropped tell their links in the loop's next turns.
        for _ in range(3):
            await asyncio.sleep(0)
        self._shared.room.pipes.close()
