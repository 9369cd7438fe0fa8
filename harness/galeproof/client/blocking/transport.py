# Generated from ../aio/transport.py by ci/unasync: do not edit.
"""The seam to the HTTP library: one exchange in, an answer or a failure out, never an exception.

The library is passed as a module (`httpx`, or its continuation `httpx2`). Its exceptions end here:
they hold the request and so the credentials.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import ModuleType
from typing import Any

import httpx

from galeproof.client.eligibility import FailureKind
from galeproof.client.errors import SettingsError
from galeproof.client.exchange import Answer, Failure, Timeouts
from galeproof.client.settings import ClientSettings
from galeproof.client.socket_limit import blocking_limit_sockets
from galeproof.client.urls import origin_of

__all__ = ["Wire"]


class Wire:
    """One connection pool to one provider.

    The library's client owns the pools and knows the proxies; requests go to its transport.

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
        verify = True if settings.ca_file is None else _trusting(settings.ca_file)
        self._client: Any = None
        # what the environment says is not checked by the library; its errors show the text
        with contextlib.suppress(http.InvalidURL, ValueError, ImportError, OSError):
            self._client = http.Client(
                limits=http.Limits(
                    max_connections=settings.max_connections,
                    max_keepalive_connections=settings.max_connections,
                ),
                cookies=no_cookies,
                follow_redirects=False,
                verify=verify,
                trust_env=settings.trust_env,
                transport=transport,
            )
        if self._client is None:
            raise SettingsError(
                "trust_env: the environment's variables for proxies (HTTPS_PROXY, ALL_PROXY, NO_PROXY) or "
                "certificates (SSL_CERT_FILE) cannot be used"
            )
        blocking_limit_sockets(self._client)

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def resolve(self, base: str, location: str) -> str | None:
        """Return the absolute target of a redirect, None when it is another origin or garbage."""
        try:
            new = self._http.URL(base).join(location)
            target = str(new.copy_with(fragment=None))
            same = origin_of(base) == origin_of(target)
        except (self._http.InvalidURL, ValueError, TypeError):
            return None
        return target if same and not new.userinfo else None

    def exchange(
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
        waits = {
            "connect": timeouts.connect_s,
            "read": timeouts.read_s,
            "write": timeouts.write_s,
            "pool": timeouts.pool_s,
        }
        try:
            # Not by the client's `send`: cookies, redirects, authentication and a log line with the
            # whole URL are what it adds, and all of them are made elsewhere here, or not wanted.
            request = self._http.Request(
                method, url, headers=headers, content=body, extensions={"timeout": waits}
            )
            carrier = self._client._transport_for_url(request.url)
            response = carrier.handle_request(request)
        except (self._http.HTTPError, self._http.InvalidURL, OSError) as error:
            return Failure(self._kind(error))
        return self._read(response)

    def _read(self, response: Any) -> Answer | Failure:
        """Read a body up to the limit; we ask for no coding, so a coded body is refused."""
        status = int(response.status_code)
        try:
            headers: dict[str, str] = {}
            for raw_name, raw_value in response.headers.raw:
                name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
                headers[name] = f"{headers[name]}, {value}" if name in headers else value
            if headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
                return Failure("protocol", status)
            chunks = bytearray()
            # The stream itself: the library's iterators add decoders that there is no use for.
            for chunk in response.stream:
                chunks += chunk
                if len(chunks) > self._max_bytes:
                    return Failure("size", status)
            return Answer(status, headers, bytes(chunks))
        except self._http.RemoteProtocolError:
            return Failure("truncated", status)
        except (self._http.HTTPError, OSError) as error:
            return Failure(self._kind(error), status)
        finally:
            self._release(response)

    def _release(self, response: Any) -> None:
        """Give the pool its slot back; a close that fails has nothing left to release."""
        with contextlib.suppress(self._http.HTTPError, OSError):
            response.close()

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


def _trusting(ca_file: str) -> ssl.SSLContext:
    """Trust this file's certificates, and no others."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError):
        pass
    raise SettingsError("ca_file: the file cannot be read, or holds no certificate")


def _refused_by_tls(error: BaseException) -> bool:
    """Tell a certificate that will be no better next time from a broken connection."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return True
        seen = seen.__cause__ or seen.__context__
    return "CERTIFICATE_VERIFY_FAILED" in str(error)
