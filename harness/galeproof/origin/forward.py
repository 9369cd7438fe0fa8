"""The origin as a recording reverse proxy: in front of a Pact mock server or a real provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from galeproof.kernel.wire import head_end, parse_head, response_body

__all__ = ["forward"]


async def forward(upstream: str, raw_head: bytes, body: bytes, method: str) -> AsyncIterator[bytes]:
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
