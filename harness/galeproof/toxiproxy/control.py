"""The one adapter around toxiproxy-python; nothing else imports that library.

It mends what the library lacks: an address per instance (the library's is global to
its class), time limits, errors that say what happened, quoted names, no proxy from the
environment.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, urlsplit

from galeproof.errors import EngineError

if TYPE_CHECKING:
    import requests

__all__ = ["ControlPlane", "LaneAddress"]


@dataclass(frozen=True, slots=True)
class LaneAddress:
    """Where a lane (one Toxiproxy proxy) listens."""

    name: str
    host: str
    port: int


class _Refused(EngineError):
    """The server answered, and not with success."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class ControlPlane:
    """Creates and deletes proxies on one Toxiproxy server; never resets or populates.

    Args:
        url: ``http://HOST:PORT`` of the control API.
        timeout_s: The longest wait for one call.

    Raises:
        EngineError: The URL is no HTTP URL.
    """

    def __init__(self, url: str, timeout_s: float = 5.0) -> None:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname or not _port_is_right(parts):
            raise EngineError(f"Toxiproxy URL {url!r} is not of the form http://HOST:PORT")
        # Lazy: the two libraries cost every start of Python 150 ms.
        import requests

        self._url = f"{parts.scheme}://{parts.netloc}"
        self._timeout_s = timeout_s
        self._session = requests.Session()
        self._session.trust_env = False
        self._consumer = _consumer_of(self)

    def version(self) -> str:
        """The server's version.

        Raises:
            EngineError: The server is unreachable or is no Toxiproxy.
        """
        answer = _json(self._consumer.get("/version"))
        if not isinstance(answer, dict) or not isinstance(answer.get("version"), str):
            raise EngineError(f"{self._url} does not answer like Toxiproxy")
        return str(answer["version"])

    def create(
        self,
        name: str,
        upstream: str,
        listen: str = "127.0.0.1:0",
        toxics: Sequence[Mapping[str, object]] = (),
    ) -> LaneAddress:
        """Create a proxy with its toxics; a half-made one is removed.

        Args:
            name: Unique on the server.
            upstream: ``HOST:PORT`` as the server sees it.
            listen: ``HOST:PORT`` to listen on; port 0 takes a free one.
            toxics: Mappings with type, stream, toxicity, attributes and perhaps name.

        Raises:
            EngineError: The server is unreachable or refused a part of it.
        """
        wanted = {"name": name, "upstream": upstream, "listen": listen, "enabled": True}
        made = _json(self._consumer.post("/proxies", json=wanted))
        try:
            if not isinstance(made, dict) or "listen" not in made:
                raise EngineError(f"{self._url} made proxy {name!r} but did not say where it listens")
            for toxic in toxics:
                self._consumer.post(f"/proxies/{quote(name, safe='')}/toxics", json=dict(toxic))
            host, _, port = str(made["listen"]).rpartition(":")
            return LaneAddress(name, host.strip("[]"), int(port))
        except BaseException:
            with contextlib.suppress(EngineError):  # the first error says more
                self.delete(name)
            raise

    def delete(self, name: str) -> None:
        """Delete a proxy; one that is not there is fine.

        Raises:
            EngineError: The server is unreachable or refused.
        """
        try:
            self._consumer.delete(f"/proxies/{quote(name, safe='')}")
        except _Refused as error:
            if error.status != 404:
                raise

    def names(self, prefix: str = "") -> list[str]:
        """The names of the server's proxies that begin with the prefix, sorted.

        Raises:
            EngineError: The server is unreachable or refused.
        """
        proxies = _json(self._consumer.get("/proxies"))
        if not isinstance(proxies, dict):
            raise EngineError(f"{self._url} does not answer like Toxiproxy")
        return sorted(str(name) for name in proxies if str(name).startswith(prefix))

    def delete_prefix(self, prefix: str) -> None:
        """Delete every proxy whose name begins with the prefix.

        Raises:
            EngineError: The prefix is empty, the server unreachable, or it refused.
        """
        if not prefix:
            raise EngineError("an empty prefix would delete proxies that are not ours")
        for name in self.names(prefix):
            self.delete(name)

    def close(self) -> None:
        """Close the kept connections."""
        self._session.close()

    def _call(self, method: str, path: str, json: Any = None) -> requests.Response:
        import requests

        failure = ""
        try:
            response = self._session.request(
                method, self._url + path, json=json, timeout=self._timeout_s, allow_redirects=False
            )
        except requests.Timeout:
            failure = f"did not answer {method} {path} within {self._timeout_s:g} s"
        except requests.RequestException as error:
            failure = f"is unreachable ({_reason(error)}): {method} {path} was not done"
        if failure:  # raised here, so that no foreign traceback hangs on it
            raise EngineError(f"Toxiproxy at {self._url} {failure}")
        if not 200 <= response.status_code < 300:
            raise _Refused(
                f"Toxiproxy at {self._url} refused {method} {path}: "
                f"{response.status_code} {_message(response)}",
                response.status_code,
            )
        return response


def _port_is_right(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def _consumer_of(plane: ControlPlane) -> Any:
    """The library's API consumer, a class of its own for this instance."""
    from toxiproxy.api import APIConsumer  # type: ignore[import-untyped]

    parts = urlsplit(plane._url)

    class Consumer(APIConsumer):  # type: ignore[misc]
        host = parts.hostname
        port = parts.port or 80

        @classmethod
        def get(cls, url: str, params: object = None, **kwargs: Any) -> requests.Response:
            return plane._call("GET", url)

        @classmethod
        def delete(cls, url: str, **kwargs: Any) -> requests.Response:
            return plane._call("DELETE", url)

        @classmethod
        def post(
            cls, url: str, data: object = None, json: object = None, **kwargs: Any
        ) -> requests.Response:
            return plane._call("POST", url, json)

    return Consumer


def _json(response: requests.Response) -> object:
    try:
        return response.json()
    except ValueError:
        pass
    raise EngineError(f"{response.url} did not answer with JSON")


def _message(response: requests.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict) and "error" in body:
        return str(body["error"])
    return " ".join(response.text.split())[:200]


def _reason(error: Exception) -> str:
    """The system's own words at the bottom of a chain of wrapped errors."""
    inner: BaseException | None = error
    for _ in range(10):
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        reason = getattr(inner, "reason", None)
        if not isinstance(reason, BaseException):
            args = getattr(inner, "args", ())
            reason = next((a for a in reversed(args) if isinstance(a, BaseException)), None)
        if reason is None:
            reason = inner.__cause__ or inner.__context__ if inner is not None else None
        if reason is None:
            break
        inner = reason
    return type(error).__name__
