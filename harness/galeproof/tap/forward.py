"""The tap as a forward proxy, for clients whose URL is fixed: HTTP, and CONNECT under a test authority.

What a client sends to a named host goes to the tap, TLS taken off; everything else is refused, and never
leaves the machine. The authority is made for one run; its key is in memory only.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Callable, Collection
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["ForwardProxy"]

_HOST = "127.0.0.1"
_LONGEST_HEAD = 65_536
_FLUSH_S = 1.0
_LOOK_S = 0.002
_LINGER = struct.pack("ii", 1, 0)


class ForwardProxy:
    """Answers for some hosts.

    Args:
        hosts: Their names; no pattern.
        tap_port: Tells where the tap listens now.

    Attributes:
        port: Where it listens.
        refused: Hosts that were asked for and are not among them.
        ca_file: The authority's certificate, once ``listen`` was given a folder.
    """

    def __init__(self, hosts: Collection[str], tap_port: Callable[[], int]) -> None:
        import trustme

        self.hosts = frozenset(host.lower() for host in hosts)
        self.tap_port = tap_port
        self.port = 0
        self.refused: list[str] = []
        self.ca_file: Path | None = None
        self._authority = trustme.CA(organization_name="galeproof test authority, one run only")
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._server: asyncio.Server | None = None
        self.open: set[_Side] = set()

    async def listen(self, folder: Path) -> None:
        """Listen on a free port; write the authority's certificate (not its key) into a folder."""
        self.ca_file = folder / "galeproof-authority.pem"
        self._authority.cert_pem.write_to_path(str(self.ca_file))
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Client(self), _HOST, 0, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    def context(self, host: str) -> ssl.SSLContext:
        """Return the TLS settings for a host, with a certificate of the test authority."""
        if host not in self._contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._authority.issue_cert(host).configure_cert(context)
            context.set_alpn_protocols(["http/1.1"])
            self._contexts[host] = context
        return self._contexts[host]

    def environment(self) -> dict[str, str]:
        """Return the variables by which common runtimes take a proxy and an authority."""
        proxy = f"http://{_HOST}:{self.port}"
        made = {name: proxy for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")}
        made |= dict.fromkeys(("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"), "")
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS",
                     "AWS_CA_BUNDLE", "DENO_CERT", "GIT_SSL_CAINFO", "CARGO_HTTP_CAINFO"):
            made[name] = str(self.ca_file)
        return {**made, "NODE_USE_ENV_PROXY": "1"}

    def close(self) -> None:
        """Stop, and end what is open."""
        if self._server:
            self._server.close()
        for side in list(self.open):
            side.end(reset=True)


class _Side(asyncio.Protocol):
    """One of the two connections of a tunnel."""

    def __init__(self, proxy: ForwardProxy) -> None:
        self.proxy = proxy
        self.transport: asyncio.Transport | None = None
        self.other: _Side | None = None
        self._ending: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.proxy.open.add(self)

    def data_received(self, data: bytes) -> None:
        if self.other and self.other.transport and not self.other.transport.is_closing():
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        return False  # close: what the other side wrote is flushed, then it is told

    def connection_lost(self, exc: Exception | None) -> None:
        self.proxy.open.discard(self)
        if self.other:
            self.other.end(reset=isinstance(exc, ConnectionResetError))

    def pause_writing(self) -> None:
        if self.other and self.other.transport:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other and self.other.transport and not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def end(self, *, reset: bool) -> None:
        """End this side as the other one ended, after what was written has left."""
        if self.transport is None or self._ending is not None:
            return
        self._ending = asyncio.ensure_future(self._end(reset))

    async def _end(self, reset: bool) -> None:
        assert self.transport
        if not reset:
            self.transport.close()
            return
        for _ in range(int(_FLUSH_S / _LOOK_S)):
            if self.transport.is_closing() or not self.transport.get_write_buffer_size():
                break
            await asyncio.sleep(_LOOK_S)
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):  # closed meanwhile, by the client
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
        self.transport.abort()


class _Client(_Side):
    """The subject's connection: a head first, then a tunnel."""

    def __init__(self, proxy: ForwardProxy) -> None:
        super().__init__(proxy)
        self._head = b""
        self._early = b""
        self._tunnel = False

    def data_received(self, data: bytes) -> None:
        if self._tunnel and self.other is None:
            self._early += data  # with the end of a handshake, before the way to the tap is open
            return
        if self._tunnel:
            super().data_received(data)
            return
        self._head += data
        head, ends, rest = self._head.partition(b"\r\n\r\n")
        if ends:
            self._tunnel = True
            assert self.transport
            self.transport.pause_reading()
            self._task = asyncio.ensure_future(self._begin(head, rest))
        elif len(self._head) > _LONGEST_HEAD:
            self._refuse(b"431 Request Header Fields Too Large", "a head without end")

    async def _begin(self, head: bytes, rest: bytes) -> None:
        method, _, target = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")
        target = target.rpartition(" ")[0]
        connect = method == "CONNECT"
        host = (urlsplit(f"//{target}" if connect else target).hostname or "").lower()
        if host not in self.proxy.hosts:
            self.proxy.refused.append(host or target[:80])
            known = ", ".join(sorted(self.proxy.hosts))
            self._refuse(b"403 Forbidden", f"galeproof answers for {known} only")
            return
        try:
            await self._join(host if connect else None, head + b"\r\n\r\n" + rest)
        except (OSError, ssl.SSLError):
            self.end(reset=True)

    async def _join(self, host: str | None, first: bytes) -> None:
        """Open the way to the tap; take TLS off where a host asks for a tunnel."""
        assert self.transport
        loop = asyncio.get_running_loop()
        if host is not None:
            self.transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            transport = await loop.start_tls(self.transport, self, self.proxy.context(host), server_side=True)
            assert transport is not None
            self.transport = transport
            self.transport.pause_reading()
        _, upstream = await loop.create_connection(lambda: _Side(self.proxy), _HOST, self.proxy.tap_port())
        upstream.other, self.other = self, upstream
        assert upstream.transport
        upstream.transport.write((first if host is None else b"") + self._early)
        self.transport.resume_reading()

    def _refuse(self, status: bytes, why: str) -> None:
        assert self.transport
        body = why.encode()
        self.transport.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
                             % (status, len(body), body))
        self.transport.close()
