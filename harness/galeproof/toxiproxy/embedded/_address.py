"""Listen and upstream addresses, with Go's rules and error texts."""

from __future__ import annotations

import asyncio
import os
import socket

__all__ = ["AddressError", "bind", "port_of", "resolve", "split", "text_of"]


class AddressError(Exception):
    """An address that cannot be understood or bound; the text is Go's."""


def split(address: str) -> tuple[str, str]:
    """Split ``host:port``; an IPv6 host may stand in brackets.

    Raises:
        AddressError: There is no port, or there are too many colons.
    """
    host, colon, port = address.rpartition(":")
    if not colon or (address.endswith("]") and address.startswith("[")):
        raise AddressError(f"address {address}: missing port in address")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise AddressError(f"address {address}: too many colons in address")
    return host, port


def text_of(host: str, port: int | str) -> str:
    """Join host and port as Toxiproxy prints them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def resolve(address: str) -> tuple[str, int]:
    """Resolve a listen address to an IP ("" for all) and a port.

    Raises:
        AddressError: The address is malformed, or its name is unknown.
    """
    if address == "":
        return "", 0
    host, service = split(address)
    loop = asyncio.get_running_loop()
    port = port_of(service)
    if host in ("", "0.0.0.0", "::"):
        return host, port
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        raise AddressError(f"lookup {host}: no such host") from None
    found.sort(key=lambda entry: entry[0] is not socket.AF_INET)
    return str(found[0][4][0]), port


def port_of(service: str) -> int:
    """The number of a port or service name; "" is 0.

    Raises:
        AddressError: It is neither.
    """
    if service == "":
        return 0
    if service.isascii() and service.isdigit():
        if int(service) > 65535:
            raise AddressError(f"address {service}: invalid port")
        return int(service)
    try:
        return socket.getservbyname(service, "tcp")
    except OSError:
        raise AddressError(f"lookup tcp/{service}: unknown port") from None


def bind(host: str, port: int) -> socket.socket:
    """Bind and listen; all addresses are one dual-stack socket where IPv6 exists.

    Raises:
        AddressError: The system refused, in its own words.
    """
    wildcard = host in ("", "0.0.0.0", "::")
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
            sock.listen(1024)
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
