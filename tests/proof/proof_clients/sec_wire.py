"""Mutants and traps: secrets on the wire."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import urllib.error
import urllib.request

import aiohttp
import httpx
from requests.auth import HTTPDigestAuth

from proof_clients.aio import AsyncSound
from proof_clients.careful import Careful, CarefulOnAiohttp, CarefulOnRequests, Read
from proof_clients.libraries import SoundOnRequests
from proof_clients.sound import Sound

LOGGED = {"SEC001": "the library logs the URL that it asks for"}

# -- SEC008 ------------------------------------------------------------------------------------------

class TokenInTheQuery(Careful):
    """?access_token=..., beside the header."""

    INVARIANTS, EXPECT, MAY = ("SEC008",), frozenset({"SEC008"}), LOGGED

    def send(self, method, path, *args):
        return super().send(method, f"{path}?access_token={self.key}", *args)


class TokenInThePath(CarefulOnRequests):
    """On requests: the token is a segment of the path, in base64."""

    INVARIANTS, EXPECT, MAY = ("SEC008",), frozenset({"SEC008"}), LOGGED

    def send(self, method, path, *args):
        coded = base64.urlsafe_b64encode(self.key.encode()).decode().rstrip("=")
        return super().send(method, f"/{coded}{path}", *args)


class TokenInTheReferer(CarefulOnAiohttp):
    """On aiohttp: the page that it came from had the token in its address."""

    INVARIANTS, EXPECT = ("SEC008",), frozenset({"SEC008"})

    async def send(self, method, path, headers, body):
        headers = {**headers, "Referer": f"{self.base}/start?key={self.key}"}
        return await super().send(method, path, headers, body)


class Presigned(Careful):
    """Trap: a signature that the secret made stands in the URL."""

    INVARIANTS = ("SEC008",)

    def send(self, method, path, *args):
        signed = hmac.new(self.key.encode(), path.encode(), hashlib.sha256).hexdigest()
        return super().send(method, f"{path}?expires=60&sig={signed}", *args)


# -- SEC006 ------------------------------------------------------------------------------------------

class KeyInAHeaderOfItsOwn(Sound):
    """X-Api-Key: httpx strips Authorization, and nothing else."""

    INVARIANTS, EXPECT = ("SEC006",), frozenset({"SEC006"})

    def send(self, method, path, ref, body, key, attempt, until):
        headers = {"x-api-key": self.key, "X-Request-Id": ref, "Idempotency-Key": key}
        return self.http.request(method, self.base + path, json=body, headers=headers,
                                 timeout=self.attempt_timeout(until), follow_redirects=True)


class CookiesOnRequests(SoundOnRequests):
    """On requests: the secret is a cookie given with the call."""

    INVARIANTS, EXPECT = ("SEC006",), frozenset({"SEC006"})

    def exchange(self, method, path, headers, body, timeout):
        headers = {n: v for n, v in headers.items() if n != "Authorization"}
        return self.http.request(method, self.base + path, json=body, timeout=timeout, headers=headers,
                                 cookies={"session": self.key})


class KeyHeaderOnAiohttp(AsyncSound):
    """On aiohttp: X-Api-Key."""

    INVARIANTS, EXPECT = ("SEC006",), frozenset({"SEC006"})

    async def send(self, method, path, headers, body):
        headers = {**headers, "X-Api-Key": headers.pop("Authorization").removeprefix("Bearer ")}
        return await super().send(method, path, headers, body)


class ComparesHosts(Careful):
    """Follows by hand, and strips where the host is another: the port is not looked at."""

    INVARIANTS, EXPECT = ("SEC006",), frozenset({"SEC006"})

    def followed(self, request):
        for _ in range(4):
            response = self.http.send(request, stream=True, follow_redirects=False)
            if not response.is_redirect:
                return response
            response.close()
            after = response.next_request
            if after.url.host == request.url.host:
                after.headers["Authorization"] = f"Bearer {self.key}"
            request = after
        raise httpx.TooManyRedirects("too many", request=request)


class UrllibSendsAll(Careful):
    """urllib follows with every header that it was given."""

    INVARIANTS, EXPECT = ("SEC006",), frozenset({"SEC006"})

    def send(self, method, path, ref, body, key, attempt, until):
        sent = urllib.request.Request(
            self.base + path, method=method, data=json.dumps(body).encode() if body else None,
            headers={"Authorization": f"Bearer {self.key}", "X-Request-Id": ref, "Idempotency-Key": key or ref})
        try:
            with urllib.request.urlopen(sent, timeout=self.attempt_timeout(until)) as response:
                return Read(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            return Read(error.code, error.headers, b"")
        except OSError:
            raise httpx.ReadError("") from None


class SecretInTheBody(SoundOnRequests):
    """The secret is in the body, and a 307 sends the body again."""

    INVARIANTS, EXPECT = ("SEC006",), frozenset({"SEC006"})

    def exchange(self, method, path, headers, body, timeout):
        return super().exchange(method, path, headers, {**(body or {}), "client_secret": self.key}, timeout)


class DigestForAnybody(SoundOnRequests):
    """On requests: HTTPDigestAuth answers the challenge of whoever makes one."""

    INVARIANTS, EXPECT = ("SEC006",), frozenset({"SEC006"})
    MAY = {**SoundOnRequests.MAY, "RTY002": "the challenge is answered with other credentials"}

    def exchange(self, method, path, headers, body, timeout):
        return self.http.request(method, self.base + path, json=body, headers=headers, timeout=timeout,
                                 auth=HTTPDigestAuth("user", self.key))


class StripsByLibrary(Sound):
    """Trap: follows everywhere; all that identifies it is Authorization, which httpx strips."""

    INVARIANTS = ("SEC006",)


class GoesNowhere(CarefulOnRequests):
    """Trap: follows no redirect."""

    INVARIANTS = ("SEC006",)


# -- SEC007 ------------------------------------------------------------------------------------------

class _OverTls:
    """Takes the test authority's certificate."""

    def __init__(self, base_url, secrets, ca_file):
        self.trust = ssl.create_default_context(cafile=ca_file)
        self.ca_file = ca_file
        super().__init__(base_url, secrets)


class DowngradesWithTheKey(_OverTls, KeyInAHeaderOfItsOwn):
    """Follows from https to http, X-Api-Key in hand."""

    INVARIANTS, EXPECT = ("SEC007",), frozenset({"SEC006", "SEC007"})

    def make_http(self):
        return httpx.Client(timeout=self.timeout_s, verify=self.trust)


class DowngradesOnRequests(_OverTls, CookiesOnRequests):
    """On requests: the cookie of the call goes to http."""

    INVARIANTS, EXPECT = ("SEC007",), frozenset({"SEC006", "SEC007"})

    def make_http(self):
        session = super().make_http()
        session.verify = self.ca_file
        return session


class DowngradesBare(_OverTls, AsyncSound):
    """Trap: on aiohttp, follows to http without Authorization."""

    INVARIANTS = ("SEC007",)

    def connector(self):
        return aiohttp.TCPConnector(limit=100, ssl=self.trust)


class StaysOnTls(_OverTls, GoesNowhere):
    """Trap: follows nothing."""

    INVARIANTS = ("SEC007",)

    def make_http(self):
        session = super().make_http()
        session.verify = self.ca_file
        return session
