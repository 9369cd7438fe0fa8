"""The deadline of a blocking operation, held at the socket.

No thread can be cancelled, and a read timeout begins anew with every byte: a provider that drips
would keep a blocking client for ever. So each wait of a socket is cut to what the limit of the
calling thread leaves. In asyncio the task is cancelled, and nothing is to be done here.
"""

from __future__ import annotations

import sys
from typing import Any

from galeproof.client.clock import left_of_limit_s

__all__ = ["async_limit_sockets", "blocking_limit_sockets"]


def async_limit_sockets(client: Any) -> None:
    """Do nothing: a task is cancelled at its deadline."""


def blocking_limit_sockets(client: Any) -> None:
    """Put the limit under every connection pool of an `httpx.Client`, proxies' included.

    httpx has no public place for it; where its insides look otherwise (a transport of a test),
    that transport is left as it is.
    """
    for transport in (client._transport, *client._mounts.values()):
        pool: Any = getattr(transport, "_pool", None)
        if hasattr(pool, "_network_backend"):
            pool._network_backend = _Backend(pool._network_backend)


def _cut(timeout_s: float | None, inner: Any, kind: str) -> float | None:
    """Return min(timeout, limit); raise the library's own timeout when nothing is left."""
    left_s = left_of_limit_s()
    if left_s is None:
        return timeout_s
    if left_s <= 0:
        library = sys.modules[type(inner).__module__.partition(".")[0]]
        raise getattr(library, kind)("the deadline passed")
    return left_s if timeout_s is None else min(timeout_s, left_s)


class _Backend:
    """Connects as the library's backend does, and hands out limited streams."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **more: Any) -> _Stream:
        cut = _cut(timeout, self._inner, "ConnectTimeout")
        return _Stream(self._inner.connect_tcp(host, port, timeout=cut, **more))

    def connect_unix_socket(self, path: str, timeout: float | None = None, **more: Any) -> _Stream:
        cut = _cut(timeout, self._inner, "ConnectTimeout")
        return _Stream(self._inner.connect_unix_socket(path, timeout=cut, **more))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Stream:
    """A stream whose every wait ends at the limit."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return bytes(self._inner.read(max_bytes, timeout=_cut(timeout, self._inner, "ReadTimeout")))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout=_cut(timeout, self._inner, "WriteTimeout"))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> _Stream:
        cut = _cut(timeout, self._inner, "ConnectTimeout")
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, cut))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
