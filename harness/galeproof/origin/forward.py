"""The origin as a recording reverse proxy: in front of a Pact mock server or a real provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from urllib.parse import urlsplit

from galeproof.kernel.wire import head_end, parse_head, response_body

__all__ = ["forward", "relabelled", "with_header"]


async def forward(upstream: str, raw_head: bytes, body: bytes, method: str) -> AsyncGenerator[bytes, None]:
    """Ask the upstream the same bytes, and yield its answer's bytes unchanged.

    Args:
        upstream: Its address, ``http://127.0.0.1:PORT``.
        raw_head: The request's head as it came.
        body: The request's body as it came.
        method: The request's method (an answer to HEAD has no body).

    Raises:
        ConnectionError: The upstream is not there, or ended before its answer did.
    """
    url = urlsplit(upstream)
    reader, writer = await asyncio.open_connection(url.hostname, url.port, limit=1 << 21)
    try:
        writer.write(raw_head + body)
        head_bytes = b""
        while (end := head_end(head_bytes)) < 0:
            data = await reader.read(65536)
            if not data:
                raise ConnectionResetError("upstream ended before its answer")
            head_bytes += data
        yield head_bytes[:end]
        counter = response_body(parse_head(head_bytes[:end]), method)
        rest = head_bytes[end:]
        while not counter.done:
            if rest:
                yield rest[: counter.feed(rest)]
            if counter.done:
                return
            rest = await reader.read(65536)
            if not rest:
                if counter.mode == "close":
                    return
                raise ConnectionResetError("upstream cut its answer")
    finally:
        writer.transport.abort()


def relabelled(raw_head: bytes, status: int, phrase: str) -> bytes:
    """Return an answer's head with another status line."""
    _, _, rest = raw_head.partition(b"\r\n")
    return f"HTTP/1.1 {status} {phrase}\r\n".encode() + rest


def with_header(raw_head: bytes, name: str, value: str | None) -> bytes:
    """Return a head with one value of a header, in place of those that it has; without it for None."""
    first, *lines = raw_head[:-4].split(b"\r\n")
    kept = [line for line in lines if line.partition(b":")[0].strip().lower() != name.lower().encode()]
    added = [] if value is None else [f"{name}: {value}".encode("latin-1")]
    return b"\r\n".join([first, *kept, *added]) + b"\r\n\r\n"
