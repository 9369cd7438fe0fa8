"""The seam to the HTTP library: one exchange in, an answer or a failure out, never an exception.

The library is passed as a module (`httpx`, or its continuation `httpx2`). Its exceptions end here:
they hold the request and so the credentials.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import ModuleType
from typing import Any

import httpx

from galeproof.client.eligibility import FailureKind
from galeproof.client.settings import ClientSettings

__all__ = ["Answer", "Failure", "Timeouts", "Wire"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The four waits of one exchange, in seconds."""

    connect_s: float
    read_s: float
    write_s: float
    pool_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer; header names are in lower case, repeated ones joined by commas."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """An exchange without a complete answer; `status` is set when at least the head came."""

    kind: FailureKind
    status: int | None = None


class Wire:
    """One connection pool to one provider.

    Args:
        settings: pool size, body limit and the use of proxy variables.
        http: the HTTP library, `httpx` or a drop-in.
        transport: a transport of that library in place of the network, for tests.
    """

    def __init__(
        self, settings: ClientSettings, *, http: ModuleType = httpx, transport: Any = None
    ) -> None:
        self._http = http
        self._max_bytes = settings.max_response_bytes
        # No cookies: an answer must not change what later operations send.
        no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
        self._client: Any = http.AsyncClient(
            limits=http.Limits(
                max_connections=settings.max_connections,
                max_keepalive_connections=settings.max_connections,
            ),
            cookies=no_cookies,
            follow_redirects=False,
            trust_env=settings.trust_env,
            transport=transport,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    def resolve(self, base: str, location: str) -> str | None:
        """Return the absolute target of a redirect, None when it is another origin or garbage."""
        try:
            old = self._http.URL(base)
            new = old.join(location)
        except (self._http.InvalidURL, ValueError, TypeError):
            return None
        same = _origin(old) == _origin(new)
        return str(new.copy_with(fragment=None)) if same and not new.userinfo else None

    async def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        timeouts: Timeouts,
    ) -> Answer | Failure:
        """Send one request and read its whole answer; the connection is released in any case.

        Args:
            method: in upper case.
            url: absolute, free of secrets.
            headers: all headers but Host and Content-Length.
            body: the request body, or None.
            timeouts: the four waits.

        Returns:
            The answer, or how the exchange failed.
        """
        request = self._client.build_request(
            method,
            url,
            headers=dict(headers),
            content=body,
            timeout=self._http.Timeout(
                connect=timeouts.connect_s,
                read=timeouts.read_s,
                write=timeouts.write_s,
                pool=timeouts.pool_s,
            ),
        )
        try:
            response = await self._client.send(request, stream=True)
        except (self._http.HTTPError, self._http.InvalidURL, OSError) as error:
            return Failure(self._kind(error))
        return await self._read(response)

    async def _read(self, response: Any) -> Answer | Failure:
        """Read a body up to the limit; we ask for no coding, so a coded body is refused."""
        status = int(response.status_code)
        try:
            coding = response.headers.get("content-encoding", "identity").strip().lower()
            if coding not in ("", "identity"):
                return Failure("protocol", status)
            chunks = bytearray()
            async for chunk in response.aiter_bytes():
                chunks += chunk
                if len(chunks) > self._max_bytes:
                    return Failure("size", status)
            headers = {str(name).lower(): str(value) for name, value in response.headers.items()}
            return Answer(status, headers, bytes(chunks))
        except self._http.RemoteProtocolError:
            return Failure("truncated", status)
        except (self._http.HTTPError, OSError) as error:
            return Failure(self._kind(error), status)
        finally:
            await self._release(response)

    async def _release(self, response: Any) -> None:
        """Give the pool its slot back; a close that fails has nothing left to release."""
        with contextlib.suppress(self._http.HTTPError, OSError):
            await response.aclose()

    def _kind(self, error: BaseException) -> FailureKind:
        """Name a library exception; the order goes from special to general."""
        http = self._http
        if isinstance(error, http.PoolTimeout):
            return "pool"
        if isinstance(error, http.ConnectTimeout):
            return "connect_timeout"
        if isinstance(error, http.TimeoutException):
            return "timeout"
        if isinstance(error, (http.ConnectError, http.ProxyError)):
            return "tls" if _refused_by_tls(error) else "connect"
        if isinstance(error, http.RemoteProtocolError):
            return "reset" if "disconnected" in str(error).lower() else "protocol"
        if isinstance(error, (http.NetworkError, OSError)):
            return "reset"
        return "protocol"


def _origin(url: Any) -> tuple[str, str, int | None]:
    default = {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.host, url.port if url.port is not None else default


def _refused_by_tls(error: BaseException) -> bool:
    """Tell a certificate that will be no better next time from a broken connection."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return True
        seen = seen.__cause__ or seen.__context__
    return "CERTIFICATE_VERIFY_FAILED" in str(error)
