"""Listen and upstream addresses, with Go's rules and error texts."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from typing import NamedTuple

__all__ = ["AddressError", "Where", "bind", "literal", "old_form", "port_of", "resolve", "split", "text_of"]

_WILDCARDS = ("", "0.0.0.0", "::")
_MAPPED = bytes(10) + b"\xff\xff"
_NUMBER = re.compile(r"[+-]?[0-9]+")


class AddressError(Exception):
    """An address that cannot be understood or bound; the text is Go's."""


class Where(NamedTuple):
    """A resolved address: an IP ("" for all addresses), and a port."""

    host: str
    port: int


def split(address: str) -> tuple[str, str]:
    """Split ``host:port`` as Go's net.SplitHostPort; an IPv6 host stands in brackets.

    Raises:
        AddressError: There is no port, or a colon or bracket too many.
    """

    def wrong(why: str) -> AddressError:
        return AddressError(f"address {address}: {why}")

    head, colon, port = address.rpartition(":")
    if not colon:
        raise wrong("missing port in address")
    if address.startswith("["):
        end = address.find("]")
        if end < 0:
            raise wrong("missing ']' in address")
        if end + 1 == len(address):
            raise wrong("missing port in address")
        if end + 1 != len(head):
            raise wrong("too many colons in address" if address[end + 1] == ":"
                        else "missing port in address")
        host, opened, closed = head[1:end], 1, end + 1
    else:
        if ":" in head:
            raise wrong("too many colons in address")
        host, opened, closed = head, 0, 0
    if "[" in address[opened:]:
        raise wrong("unexpected '[' in address")
    if "]" in address[closed:]:
        raise wrong("unexpected ']' in address")
    return host, port


def text_of(host: str, port: int | str) -> str:
    """Join host and port as Toxiproxy prints them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def old_form(host: str) -> bool:
    """Whether a host is an IPv4 address as only C libraries read it: 127.1, 0177.0.0.1, 0."""
    try:
        socket.inet_aton(host)
    except (OSError, UnicodeError, ValueError):
        return False
    return literal(host) is None


def literal(host: str) -> socket.AddressFamily | None:
    """The family of an IP address; None for a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError, UnicodeError):
            continue
        return family
    return None


async def resolve(address: str) -> Where:
    """Resolve a listen address; only a name makes it wait.

    Raises:
        AddressError: The address is malformed, or its name is unknown.
    """
    if address == "":
        return Where("", 0)
    host, service = split(address)
    port = port_of(service)
    family = literal(host)
    if host in _WILDCARDS or family is socket.AF_INET:
        return Where(host, port)
    if family is socket.AF_INET6:
        packed = socket.inet_pton(family, host)
        if packed.startswith(_MAPPED):  # Go makes it the IPv4 address that it stands for
            return Where(socket.inet_ntop(socket.AF_INET, packed[12:]), port)
        return Where(socket.inet_ntop(family, packed), port)
    if old_form(host):
        raise AddressError(f"lookup {host}: no such host")
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, ValueError):
        raise AddressError(f"lookup {host}: no such host") from None
    found.sort(key=lambda entry: entry[0] is not socket.AF_INET)
    return Where(str(found[0][4][0]), port)


def port_of(service: str) -> int:
    """The number of a port or service name; "" is 0.

    Raises:
        AddressError: It is neither.
    """
    if service == "":
        return 0
    if service.isascii() and _NUMBER.fullmatch(service):
        number = int(service[:9])
        if not 0 <= number <= 65535:
            raise AddressError(f"address {service}: invalid port")
        return number
    try:
        return socket.getservbyname(service, "tcp")
    except (OSError, UnicodeError, ValueError):
        raise AddressError(f"lookup tcp/{service}: unknown port") from None


def bind(where: Where) -> socket.socket:
    """Bind and listen; all addresses are one dual-stack socket where IPv6 exists.

    Raises:
        AddressError: The system refused, in its own words.
    """
    host, port = where
    wildcard = host in _WILDCARDS
    families = [socket.AF_INET6 if ":" in host else socket.AF_INET]
    if wildcard:
        families = [socket.AF_INET6, socket.AF_INET]
    error: OSError | None = None
    for family in families:
        sock = None
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family is socket.AF_INET6 and wildcard:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            any_host = "::" if family is socket.AF_INET6 else "0.0.0.0"
            sock.bind((any_host if wildcard else host, port))
            sock.listen(4096)
            sock.setblocking(False)
        except OSError as caught:
            if sock is not None:
                sock.close()
            error = error or caught
        else:
            return sock
    assert error is not None
    reason = os.strerror(error.errno or 0)
    reason = reason[:1].lower() + reason[1:]
    raise AddressError(f"listen tcp {text_of(host, port)}: bind: {reason}")
