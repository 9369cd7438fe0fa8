"""From a request line and its headers to an action: what Toxiproxy's router and middleware do."""

from __future__ import annotations

import ipaddress
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from galeproof.toxiproxy.embedded._answers import Answer, plain

__all__ = ["BadTarget", "Guard", "Route", "route"]

_NAME = "([^/]+)"
_ROUTES: tuple[tuple[re.Pattern[str], Mapping[str, str]], ...] = tuple(
    (re.compile(path), actions)
    for path, actions in (
        ("/version", {"GET": "version"}),
        ("/proxies", {"GET": "list", "POST": "create"}),
        ("/populate", {"POST": "populate"}),
        ("/reset", {"POST": "reset"}),
        (f"/proxies/{_NAME}",
         {"GET": "show", "POST": "update", "PATCH": "update", "DELETE": "delete"}),
        (f"/proxies/{_NAME}/toxics", {"GET": "toxics", "POST": "create_toxic"}),
        (f"/proxies/{_NAME}/toxics/{_NAME}", {"GET": "show_toxic", "POST": "update_toxic",
                                              "PATCH": "update_toxic", "DELETE": "delete_toxic"}),
    )
)
_BAD_ESCAPE = re.compile("%(?![0-9a-fA-F]{2})")


class BadTarget(Exception):
    """A request target that is no URL: 400 before any routing."""


@dataclass(frozen=True, slots=True)
class Route:
    """An action, the names in its path, and the query."""

    action: str
    names: tuple[str, ...]
    query: Mapping[str, str]


def route(method: str, target: str, *, metrics: bool) -> Route | Answer:
    """Find the action of a request, or the router's own answer.

    Args:
        method: As sent.
        target: The request target, in origin or absolute form.
        metrics: Whether /metrics exists.

    Raises:
        BadTarget: It is no URL.
    """
    if target.startswith(("http://", "https://")):
        parts = urlsplit(target)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
    elif not target.startswith("/") and target != "*":
        raise BadTarget
    if target == "*" and method == "OPTIONS":  # about the server, not about a path
        return Answer(200, content_type=None, matched=False)
    raw, mark, query = target.partition("?")
    if _BAD_ESCAPE.search(raw):
        raise BadTarget
    path = unquote(raw, errors="surrogateescape")
    clean = _clean(path)
    if clean != path:
        location = quote(clean, safe="/$&+,:;=@", errors="surrogateescape") + mark + query
        return Answer(301, content_type=None, headers=(("Location", location),), matched=False)
    if metrics and path == "/metrics":
        return Route("metrics", (), {})
    for pattern, actions in _ROUTES:
        match = pattern.fullmatch(path)
        if match is not None:
            if method not in actions:
                return Answer(405, content_type=None, matched=False)
            return Route(actions[method], match.groups(), dict(parse_qsl(query)))
    return plain(404, "404 page not found\n", matched=False)


def _clean(path: str) -> str:
    """Go's path.Clean with the trailing slash kept, as its router has it."""
    clean = posixpath.normpath("/" + path.lstrip("/"))
    return clean + "/" if path.endswith("/") and clean != "/" else clean


class Guard:
    """Refuses browsers: by User-Agent as Toxiproxy does, by Host and Origin where only this machine can ask.

    Args:
        host: Where the control API listens.
    """

    def __init__(self, host: str) -> None:
        self._host = host.lower()
        self._local = _is_loopback(self._host)

    def refusal(self, headers: Mapping[bytes, bytes]) -> Answer | None:
        """The answer to a request that is refused, or None."""
        if headers.get(b"user-agent", b"").startswith(b"Mozilla/"):
            return plain(403, "User agent not allowed\n")
        if not self._local:
            return None
        if b"origin" in headers:
            return plain(403, "Origin not allowed\n")
        # A page that had its own name resolve to 127.0.0.1 still sends that name.
        host = _host_of(headers.get(b"host", b"").decode("latin-1"))
        if host and host != self._host and not _is_loopback(host):
            return plain(403, "Host not allowed\n")
        return None


def _host_of(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0].lower()
    return text.partition(":")[0].rstrip(".").lower()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
