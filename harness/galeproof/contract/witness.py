"""A relay that writes down what really went over the wire, in front of a provider or a mock server.

The tools' own word is not enough: the verifier leaves out queries without value, normalises paths, and
can be led to another program; a mock server forgets requests that nobody defined. Bytes pass unchanged;
`Host` names the relay's port.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

from galeproof.kernel.clock import pause
from galeproof.kernel.wire import Opaque, head_end, parse_head, request_body, response_body

__all__ = ["CALM", "SLOW", "Seen", "Weather", "Witness", "asked", "strange"]

_CHUNK = 65536
_MOST = 64 << 20  # what is kept of one direction of a connection
Asked = tuple[str, str, tuple[tuple[str, str], ...]]
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Weather:
    """How answers travel: each piece of at most `piece` bytes `delay_s` after the one before."""

    delay_s: float = 0.0
    piece: int = _CHUNK


CALM = Weather()
SLOW = Weather(0.02, 400)


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it came, and its answer (status 0 where none was complete), its body uncompressed."""

    method: str
    target: str
    headers: Headers
    body: bytes
    status: int = 0
    answer_headers: Headers = ()
    answer: bytes = b""

    def answer_header(self, name: str) -> str | None:
        """Return an answer header's first value, or None."""
        return next((v for n, v in self.answer_headers if n.lower() == name.lower()), None)


@dataclass(slots=True)
class _Link:
    """Both directions of one connection."""

    sent: bytearray = field(default_factory=bytearray)
    got: bytearray = field(default_factory=bytearray)


class Witness:
    """A relay on a free loopback port; use it as `with Witness(url) as witness`.

    Args:
        url: The base URL of what is behind.
        weather: How answers travel.

    Attributes:
        url: The base URL to use instead.
        unreachable: Why the other side could not be reached, or None.
    """

    def __init__(self, url: str, weather: Weather = CALM) -> None:
        target = urlsplit(url)
        self._address = (str(target.hostname), target.port or 80)
        self._links: list[_Link] = []
        self._weather = weather
        self.unreachable: str | None = None
        relay = self._relay

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                relay(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{target.path}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

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

    def exchanges(self) -> list[Seen]:
        """Return every request so far, connection by connection."""
        return [seen for link in list(self._links) for seen in _parsed(bytes(link.sent), bytes(link.got))]

    def _relay(self, client: socket.socket) -> None:
        link = _Link()
        self._links.append(link)
        try:
            upstream = socket.create_connection(self._address, timeout=5)
        except OSError as error:
            self.unreachable = str(error)
            return
        with upstream:
            upstream.settimeout(None)
            back = threading.Thread(
                target=_pump, args=(upstream, client, link.got, self._weather), daemon=True)
            back.start()
            _pump(client, upstream, link.sent, CALM)
            back.join()


def asked(seen: Seen) -> Asked:
    """Return what tells one request from another: method, path and query, decoded."""
    target = urlsplit(seen.target)
    query = parse_qsl(target.query, keep_blank_values=True)
    return seen.method, unquote(target.path), tuple(sorted(query))


def strange(requests: Sequence[Seen], method: str) -> list[str]:
    """Say what a mock server lets pass: a request of another method (an OPTIONS is answered 500 while
    the contract counts as matched), and a header or parameter that came with two values (one matches).

    Args:
        requests: All that came.
        method: The interaction's.
    """
    found = [f"{seen.method} {urlsplit(seen.target).path} was asked too, which the contract does not have"
             for seen in requests if seen.method != method]
    for seen in requests:
        query = parse_qsl(urlsplit(seen.target).query, keep_blank_values=True)
        for what, pairs in (("header", [(n.lower(), v) for n, v in seen.headers]), ("parameter", query)):
            twice = sorted(name for name, n in Counter(name for name, _ in set(pairs)).items() if n > 1)
            found += [f"{what} {name} came with two values" for name in twice]
    return sorted(set(found))


def _parsed(sent: bytes, got: bytes) -> list[Seen]:
    """Read one connection's requests with their answers, in order."""
    found = []
    try:
        while (end := head_end(sent)) >= 0:
            head = parse_head(sent[:end])
            counter = request_body(head)
            taken = counter.feed(sent[end:])
            content = b"".join(sent[end + at : end + to] for at, to in counter.spans)
            sent = sent[end + taken :]
            status, headers, answer, got = _answer(got, head.first[0])
            found.append(Seen(head.first[0], head.first[1], head.headers, content, status, headers, answer))
            if not counter.done:
                break
    except (Opaque, IndexError, ValueError):
        found.append(Seen("?", "?", (), sent[:200]))
    return found


def _answer(got: bytes, method: str) -> tuple[int, Headers, bytes, bytes]:
    while (end := head_end(got)) >= 0:
        head = parse_head(got[:end])
        status = int(head.first[1])
        if status < 200:
            got = got[end:]
            continue
        counter = response_body(head, method)
        taken = counter.feed(got[end:])
        content = b"".join(got[end + at : end + to] for at, to in counter.spans)
        whole = counter.done or counter.mode == "close"
        return (status if whole else 0), head.headers, _decoded(head.headers, content), got[end + taken :]
    return 0, (), b"", b""


def _decoded(headers: Headers, content: bytes) -> bytes:
    """Undo gzip and deflate, as the verifier does before it compares; what cannot be undone stays."""
    coding = next((v.strip().lower() for n, v in headers if n.lower() == "content-encoding"), "")
    with contextlib.suppress(zlib.error):
        if coding in ("gzip", "x-gzip", "deflate"):
            return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(content, _MOST)
    return content


def _pump(source: socket.socket, sink: socket.socket, record: bytearray, weather: Weather) -> None:
    """Copy until either side is over, then end both."""
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK):
            if len(record) < _MOST:
                record += data
            for at in range(0, len(data), weather.piece):
                if weather.delay_s:
                    pause(weather.delay_s)
                sink.sendall(data[at : at + weather.piece])
    for side in (source, sink):
        with contextlib.suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)
