"""URLs: where secrets may be sent, and what an origin is."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import httpx

__all__ = ["VISIBLE", "check_url", "is_loopback", "origin_of"]

VISIBLE = frozenset(map(chr, range(0x21, 0x7F)))
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:[.][a-z0-9_-]{1,63})*[.]?")
_PORTS = {"http": 80, "https": 443}


def is_loopback(host: str | None) -> bool:
    """Tell whether a host never leaves this machine."""
    if host is None:
        return False
    parts = host.split(".")
    literal = len(parts) == 4 and all(part.isdigit() for part in parts)
    return host in ("localhost", "::1") or (literal and parts[0] == "127")


def check_url(value: str, *, allow_plain_http: bool) -> str:
    """Return a URL that credentials may be sent to, without a final slash.

    Args:
        value: the URL.
        allow_plain_http: True to accept http beyond this machine.

    Raises:
        ValueError: says what is wrong, without the value.
    """
    if not VISIBLE.issuperset(value):
        raise ValueError("must be visible ASCII")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("must be a URL with a port of 0 to 65535") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError("must be an absolute http or https URL")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must have no user information, query or fragment")
    if parts.scheme == "http" and not allow_plain_http and not is_loopback(parts.hostname):
        raise ValueError("must be https, for it is sent credentials (http only on this machine)")
    if ":" not in parts.hostname and not _HOST.fullmatch(parts.hostname):
        raise ValueError("must have a host name of labels of 1 to 63 letters, digits, - and _")
    try:
        # `host` decodes an A-label, as every request will
        readable = bool(httpx.URL(value).host)
    except (httpx.InvalidURL, UnicodeError):
        readable = False
    if not readable:
        raise ValueError("must have a host name that can be looked up")
    return value.rstrip("/")


def origin_of(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port (RFC 6454); the port is -1 where there is no such thing.

    Raises:
        ValueError: the URL cannot be read.
    """
    parts = urlsplit(url)
    port = parts.port if parts.port is not None else _PORTS.get(parts.scheme, -1)
    return parts.scheme, parts.hostname or "", port
