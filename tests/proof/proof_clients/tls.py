"""Mutants and traps: the handshake."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
from urllib.parse import urlsplit

import aiohttp
import httpx

from galeproof import read
from proof_clients.aio import AsyncSound
from proof_clients.libraries import SoundOnRequests
from proof_clients.sec_wire import _OverTls
from proof_clients.sound import READ, Failed, strictly


class ArmsItTooLate:
    """The handshake is done on a socket that has no timeout yet."""

    PROFILE = {"max_attempts": 1, "read_timeout_s": 0.5, "deadline_s": 2.0, "retry_on": []}
    INVARIANTS, EXPECT = ("TMO005",), frozenset({"TMO005"})
    MAY: dict[str, str] = {}

    def __init__(self, base_url, secrets, ca_file):
        self.at, self.key = urlsplit(base_url), secrets["api_key"]
        self.trust = ssl.create_default_context(cafile=ca_file)

    @read(answer=READ)
    def fetch(self, ref):
        raw = socket.create_connection((self.at.hostname, self.at.port), 0.5)
        raw.settimeout(None)
        with self.trust.wrap_socket(raw, server_hostname=self.at.hostname) as sock:
            sock.settimeout(0.5)
            link = http.client.HTTPConnection(self.at.netloc)
            link.sock = sock
            link.request("GET", f"/payments/{ref}", headers={"Authorization": f"Bearer {self.key}"})
            answer = link.getresponse()
            if answer.status != 200:
                raise Failed(str(answer.status))
            return json.loads(answer.read())


class HandshakeOnRequests(_OverTls, SoundOnRequests):
    """Trap: on requests, the connect timeout holds the whole handshake, also where it drips."""

    INVARIANTS = ("TMO005",)

    def make_http(self):
        session = super().make_http()
        session.verify = self.ca_file
        return session


class ReadTimeoutOnly(HandshakeOnRequests):
    """On requests: timeout=(None, 0.4), which bounds neither connect nor handshake."""

    EXPECT = frozenset({"TMO005"})

    def attempt_timeout(self, until):
        return (None, super().attempt_timeout(until))


class OnlyReadsOnAiohttp(_OverTls, AsyncSound):
    """On aiohttp: sock_read alone, and no deadline."""

    INVARIANTS, EXPECT = ("TMO005",), frozenset({"TMO005"})
    deadline_s = 60.0

    def connector(self):
        return aiohttp.TCPConnector(limit=100, ssl=self.trust)

    def timeouts(self):
        return aiohttp.ClientTimeout(total=None, sock_read=self.timeout_s)


class SoundOverTls(_OverTls, AsyncSound):
    """Trap: on aiohttp, sock_connect and a deadline."""

    INVARIANTS = ("TMO005", "SEC007")

    def connector(self):
        return aiohttp.TCPConnector(limit=100, ssl=self.trust)


class TotalOnly:
    """Trap: httpx, no connect timeout; one deadline over all of it."""

    PROFILE = {"max_attempts": 1, "deadline_s": 1.0, "retry_on": []}
    INVARIANTS, EXPECT = ("TMO005",), frozenset()
    MAY: dict[str, str] = {}

    def __init__(self, base_url, secrets, ca_file):
        self.base, self.key = base_url, secrets["api_key"]
        self.http = httpx.AsyncClient(timeout=None, verify=ssl.create_default_context(cafile=ca_file))

    @read(answer=READ)
    async def fetch(self, ref):
        try:
            async with asyncio.timeout(1.0):
                answer = await self.http.get(f"{self.base}/payments/{ref}",
                                             headers={"Authorization": f"Bearer {self.key}"})
        except (TimeoutError, httpx.HTTPError):
            answer = None
        if answer is None or answer.status_code != 200:
            raise Failed("none")
        return strictly(answer.content)

    async def close(self):
        await self.http.aclose()
