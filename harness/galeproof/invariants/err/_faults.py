"""The class of failure that an operation's last attempt met: timeout, connection, rate_limit, auth,
client, server, protocol."""

from __future__ import annotations

from collections.abc import Collection

from galeproof.invariants.err._answers import MALFORMED, VALUES, kind_of
from galeproof.model.exchange import Exchange, Operation

__all__ = ["classes_of", "raw"]

_LIBRARIES = frozenset({
    "aiohttp", "anyio", "asyncio", "builtins", "email", "h11", "http", "httpcore", "httpx", "httpx2",
    "json", "pydantic", "pydantic_core", "requests", "socket", "ssl", "tenacity", "urllib", "urllib3",
    "zlib"})
_BY_STATUS = {401: ("auth",), 403: ("auth",), 404: ("client", "not_found"), 408: ("server", "timeout"),
              425: ("client", "server"), 429: ("rate_limit",)}


def classes_of(operation: Operation, stuck: Collection[str]) -> tuple[str, ...]:
    """Return the classes that a failure of this operation may be told as; empty where it met none.

    Args:
        operation: One that ended.
        stuck: References of operations that found a port where connecting, or the handshake, hangs.
    """
    if not operation.attempts:
        if operation.ref in stuck:
            return ("timeout", "connection")
        return ("connection",) if operation.refusals else ()
    last = operation.attempts[-1]
    if operation.refusals and operation.refusals[-1].lo_ns > last.start_lo_ns:
        return ("connection",)
    return _of_attempt(last)


def _of_attempt(last: Exchange) -> tuple[str, ...]:
    if last.complete and last.status is not None:
        if last.status >= 400:
            return _BY_STATUS.get(last.status, ("server",) if last.status >= 500 else ("client",))
        return ("protocol",) if kind_of(last) in MALFORMED | VALUES else ()
    if last.closed is not None:
        return ("connection", "protocol") if last.answered_bytes else ("connection",)
    if last.word.startswith("drip"):  # some libraries take the first interim answer for the last
        return ("timeout", "protocol")
    return ("timeout",) if last.word.startswith(("hang", "lane")) else ()


def raw(error_type: str) -> bool:
    """Whether an error is a library's own, or Python's."""
    return error_type.partition(".")[0] in _LIBRARIES or "." not in error_type
