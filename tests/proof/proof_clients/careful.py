"""The sound client with a taxonomy of errors, typed answers, and bounds on size and redirects."""

from __future__ import annotations

import aiohttp
import httpx
import requests
from requests.adapters import HTTPAdapter

from proof_clients.aio import AsyncSound, asked_s
from proof_clients.libraries import SoundOnRequests
from proof_clients.sound import ENDS, PROFILE, Failed, Sound, strictly

MOST = 1_000_000


class Timeout(Failed):
    """A wait was too long."""


class Broken(Failed):
    """No whole answer came."""


class Busy(Failed):
    """429."""


class Denied(Failed):
    """401, 403."""


class Wrong(Failed):
    """Another 4xx."""


class Down(Failed):
    """5xx."""


class Unreadable(Failed):
    """No answer that one can read or trust."""


ERRORS = {"timeout": Timeout, "connection": Broken, "rate_limit": Busy, "auth": Denied, "client": Wrong,
          "server": Down, "protocol": Unreadable}
CAREFUL = {
    **PROFILE, "typed_answers": True, "max_response_bytes": MOST, "max_redirects": 3,
    "errors": {name: f"{kind.__module__}.{kind.__name__}" for name, kind in ERRORS.items()}}


def failure(why, status=None, retry_after=None):
    """The error for what went wrong: a library's word or a status."""
    if isinstance(status, int):
        kind = {401: Denied, 403: Denied, 429: Busy}.get(status, Down if status >= 500 else Wrong)
    else:
        kind = (Timeout if "Timeout" in why or why == "deadline" else Unreadable
                if why in ("malformed", "TooManyRedirects", "size", "DecodingError") else Broken)
    error = kind(why)
    error.status, error.retry_after = status, retry_after
    return error


def typed(value):
    """Types as the API promises them."""
    if not isinstance(value.get("id"), str) or type(value.get("amount")) is not int:
        raise ValueError("types")
    return value


class Read:
    """An answer whose body was read up to the limit."""

    def __init__(self, status, headers, content):
        self.status_code, self.headers, self.content = status, headers, content


class Careful(Sound):
    """Trap: sound in all that ERR asks for."""

    PROFILE = CAREFUL
    INVARIANTS = ("ERR001", "ERR002", "ERR003", "ERR004", "ERR005", "ERR006", "SEC008")
    redirects = 3

    def make_http(self):
        client = super().make_http()
        client.max_redirects = self.redirects
        return client

    def send(self, method, path, ref, body, key, attempt, until):
        headers = {"Authorization": f"Bearer {self.key}", "X-Request-Id": ref, "Accept-Encoding": "identity"}
        if method == "POST":
            headers["Idempotency-Key"] = key
        ENDS.at = self.attempt_ends(until)
        request = self.http.build_request(method, self.base + path, json=body, headers=headers,
                                          timeout=self.attempt_timeout(until))
        response = self.followed(request)
        try:
            return self.read(response)
        finally:
            response.close()

    def followed(self, request):
        """Redirects by hand, at most three: their bodies are not read."""
        for _ in range(self.redirects + 1):
            response = self.http.send(request, stream=True, follow_redirects=False)
            if not response.is_redirect:
                return response
            response.close()
            request = response.next_request
        raise httpx.TooManyRedirects("too many", request=request)

    def read(self, response):
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise httpx.DecodingError("not asked for", request=response.request)
        content = b""
        for piece in response.iter_raw():
            content += piece
            if len(content) > MOST:
                raise httpx.DecodingError("size", request=response.request)
        return Read(response.status_code, response.headers, content)

    def typed(self, value):
        return typed(value)

    def result(self, response):
        return self.refuse(response) if response.status_code >= 300 else Sound.result(self, response)

    def end(self, why, response):
        return self.give_up(why) if response is None else self.refuse(response)

    def refuse(self, response):
        asked = response.headers.get("Retry-After", "")
        raise failure(str(response.status_code), response.status_code,
                      float(asked) if asked.isdigit() else None)

    def give_up(self, why):
        raise failure(str(why), why if isinstance(why, int) else None) from None


class _NoFollowing(requests.Session):
    """requests reads, and unpacks, the body of a redirect that it is told not to follow."""

    def get_redirect_target(self, response):
        return None


class CarefulOnRequests(SoundOnRequests):
    """Trap: the same on requests, which is not asked to follow or to unpack."""

    PROFILE = {**CAREFUL, "max_redirects": 0}
    INVARIANTS = Careful.INVARIANTS

    def make_http(self):
        session = _NoFollowing()
        session.mount("http://", HTTPAdapter(pool_maxsize=100))
        return session

    def send(self, method, path, ref, body, key, attempt, until):
        headers = {"Authorization": f"Bearer {self.key}", "X-Request-Id": ref, "Accept-Encoding": "identity"}
        if method == "POST":
            headers["Idempotency-Key"] = key
        try:
            with self.http.request(method, self.base + path, json=body, stream=True, headers=headers,
                                   timeout=self.attempt_timeout(until), allow_redirects=False) as response:
                return self.read(response)
        except requests.RequestException as error:
            broken = isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError)
            late = isinstance(error, requests.Timeout) or "timed out" in str(error)
        raise httpx.ReadTimeout("") if late else httpx.ReadError("") if broken else httpx.DecodingError("")

    def read(self, response):
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise requests.exceptions.ContentDecodingError("not asked for")
        content = b""
        for piece in response.iter_content(65536):
            content += piece
            if len(content) > MOST:
                raise requests.exceptions.ContentDecodingError("size")
        return Read(response.status_code, response.headers, content)

    typed, result = Careful.typed, Careful.result
    end, refuse, give_up = Careful.end, Careful.refuse, Careful.give_up


class CarefulOnAiohttp(AsyncSound):
    """Trap: the same on aiohttp."""

    PROFILE = CAREFUL
    INVARIANTS = Careful.INVARIANTS

    async def send(self, method, path, headers, body):
        async with self.http.request(
                method, self.base + path, json=body, timeout=self.timeouts(), max_redirects=3,
                headers={**headers, "Accept-Encoding": "identity"}) as response:
            value = await self.body_of(response) if response.status < 300 else None
            return response.status, value, asked_s(response.headers)

    def failure(self, why, status, asked):
        status = status if isinstance(status, int) and status >= 300 else None
        return failure(str(why), status, asked or None)

    async def body_of(self, response):
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise aiohttp.ClientPayloadError("not asked for")
        content = b""
        async for piece in response.content.iter_chunked(65536):
            content += piece
            if len(content) > MOST:
                raise aiohttp.ClientPayloadError("size")
        return typed(strictly(content))
