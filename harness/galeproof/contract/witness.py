"""A relay in front of the provider that writes down which requests really came.

The verifier's own word is not enough: it leaves out queries without value, normalises paths, and
can be led to another program. Bytes pass unchanged; `Host` names the relay's port.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

__all__ = ["Witness", "expected_request"]

_CHUNK = 65536
Seen = tuple[str, str, tuple[tuple[str, str], ...]]


class Witness:
    """A relay on a free loopback port; use it as `with Witness(url) as witness`.

    Args:
        url: The provider's base URL.

    Attributes:
        url: The base URL to use instead.
        unreachable: Why the provider could not be reached, or None.
    """

    def __init__(self, url: str) -> None:
        target = urlsplit(url)
        self._address = (str(target.hostname), target.port or 80)
        self._sent: list[bytearray] = []
        self.unreachable: str | None = None
        relay = self._relay

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                relay(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{target.path}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def seen(self) -> list[Seen]:
        """Return the first request of every connection: method, path and query, decoded."""
        return [_request(bytes(sent)) for sent in self._sent if sent]

    def _relay(self, client: socket.socket) -> None:
        sent = bytearray()
        self._sent.append(sent)
        try:
            upstream = socket.create_connection(self._address, timeout=5)
        except OSError as error:
            self.unreachable = str(error)
            return
        with upstream:
            upstream.settimeout(None)
            back = threading.Thread(target=_pump, args=(upstream, client, None), daemon=True)
            back.start()
            _pump(client, upstream, sent)
            back.join()


def expected_request(item: Mapping[str, Any], url: str) -> Seen:
    """Return what the provider must see of an interaction, in the form of `Witness.seen`.

    Args:
        item: The interaction, as in the pact file.
        url: The provider's base URL; its path comes first.
    """
    request = item["request"]
    query = request.get("query") or {}
    # an empty list and null both stand for a parameter without value, `?name`
    pairs = ((name, str(v or "")) for name, values in query.items() for v in values or [""])
    path = urlsplit(url).path.rstrip("/") + request["path"]
    return request["method"].upper(), unquote(path), tuple(sorted(pairs))


def _request(data: bytes) -> Seen:
    words = data.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    target = urlsplit(words[1]) if len(words) == 3 else urlsplit("")
    query = parse_qsl(target.query, keep_blank_values=True)
    return words[0], unquote(target.path), tuple(sorted(query))


def _pump(source: socket.socket, sink: socket.socket, record: bytearray | None) -> None:
    """Copy until either side is over, then end both."""
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK):
            if record is not None and len(record) < _CHUNK:
                record += data
            sink.sendall(data)
    for side in (source, sink):
        with contextlib.suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)
