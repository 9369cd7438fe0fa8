"""The HTTP side of the embedded server: h11 over an asyncio protocol."""

from __future__ import annotations

import asyncio
import random
import secrets
from typing import cast

import h11

from galeproof.toxiproxy.embedded._address import text_of
from galeproof.toxiproxy.embedded._api import Answer, Api

__all__ = ["EmbeddedServer"]

_ID_ALPHABET = "0123456789abcdefghijklmnopqrstuv"
_BODY_MAX = 16 * 1024 * 1024


class EmbeddedServer:
    """A Toxiproxy-compatible server in the running loop.

    Args:
        host: Where the control API listens.
        port: Its port; 0 takes a free one.
        seed: Makes every toxicity roll and jitter draw repeatable, for each proxy name
            and connection number; None draws a seed.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, seed: int | None = None) -> None:
        self.url = ""
        self._host = host
        self._port = port
        self._seed: int = secrets.randbits(64) if seed is None else seed
        self._api = Api(self._rng_of)
        self._server: asyncio.Server | None = None
        self._clients: set[_Http] = set()

    async def start(self) -> int:
        """Listen; returns the port of the control API.

        Raises:
            OSError: The address is busy or not ours.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Http(self._api, self._clients), self._host, self._port
        )
        self._port = int(self._server.sockets[0].getsockname()[1])
        self.url = f"http://{text_of(self._host, self._port)}"
        return self._port

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
        # Aborted sockets close in the loop's next turns.
        for _ in range(3):
            await asyncio.sleep(0)

    def _rng_of(self, proxy: str, number: int) -> random.Random:
        return random.Random(f"{self._seed}/{proxy}/{number}")


class _Http(asyncio.Protocol):
    """One client of the control API."""

    def __init__(self, api: Api, clients: set[_Http]) -> None:
        self.transport: asyncio.Transport
        self._api = api
        self._clients = clients
        self._http = h11.Connection(h11.SERVER)
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._clients.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._clients.discard(self)

    def data_received(self, data: bytes) -> None:
        self._http.receive_data(data)
        self._advance()

    def eof_received(self) -> None:
        self._http.receive_data(b"")
        self._advance()

    def _advance(self) -> None:
        """Read events until a request is whole; it is then answered in a task."""
        while self._task is None:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError:
                self.transport.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
                self.transport.close()
                return
            if isinstance(event, h11.Request):
                self._request = event
                self._body.clear()
                if self._http.they_are_waiting_for_100_continue:
                    go_on = h11.InformationalResponse(status_code=100, headers=[])
                    self.transport.write(self._http.send(go_on) or b"")
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > _BODY_MAX:
                    self.transport.abort()
                    return
            elif isinstance(event, h11.EndOfMessage):
                self._task = asyncio.get_running_loop().create_task(self._respond())
            else:
                if isinstance(event, h11.ConnectionClosed):
                    self.transport.close()
                return

    async def _respond(self) -> None:
        request = self._request
        assert request is not None
        agent = next((v for k, v in request.headers if k == b"user-agent"), b"")
        answer = await self._api.answer(
            request.method.decode(), request.target.decode("latin-1"),
            agent.decode("latin-1"), bytes(self._body),
        )
        self._send(answer)
        self._task = None
        if self._http.our_state is h11.MUST_CLOSE or self._http.their_state is h11.MUST_CLOSE:
            self.transport.close()
        elif self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            self._advance()

    def _send(self, answer: Answer) -> None:
        body = answer.body.encode()
        headers = list(answer.headers)
        if answer.content_type is not None:
            headers.append(("Content-Type", answer.content_type))
        if answer.matched:
            token = "".join(secrets.choice(_ID_ALPHABET) for _ in range(20))
            headers.append(("X-Toxiproxy-Request-Id", token))
        if answer.status != 204:
            headers.append(("Content-Length", str(len(body))))
        out = self._http.send(h11.Response(status_code=answer.status, headers=headers)) or b""
        if body:
            out += self._http.send(h11.Data(data=body)) or b""
        out += self._http.send(h11.EndOfMessage()) or b""
        if not self.transport.is_closing():
            self.transport.write(out)
