"""Mutants and traps: connections."""

from __future__ import annotations

import asyncio
import http.client
import threading
from urllib.parse import urlsplit

import httpx
import requests

from proof_clients.aio import AsyncSound
from proof_clients.libraries import SoundOnRequests
from proof_clients.sound import Failed, Sound

# -- CON001 ------------------------------------------------------------------------------------------

class TimerStaysArmed(Sound):
    """The read timer of a call is not disarmed, and fires in the next one."""

    INVARIANTS, EXPECT = ("CON001",), frozenset({"CON001"})
    fired = False

    def operation(self, *args):
        if self.fired:
            self.fired = False
            return self.give_up("ReadTimeout")
        timer = threading.Timer(self.timeout_s, setattr, (self, "fired", True))
        timer.daemon = True
        timer.start()
        return super().operation(*args)


class LoopTimerStaysArmed(AsyncSound):
    """The same on aiohttp and its loop."""

    INVARIANTS, EXPECT = ("CON001",), frozenset({"CON001"})
    fired = False

    async def operation(self, *args):
        if self.fired:
            self.fired = False
            raise Failed("ReadTimeout")
        asyncio.get_running_loop().call_later(self.timeout_s, setattr, self, "fired", True)
        return await super().operation(*args)


class TrustsAClosedConnection(SoundOnRequests):
    """It sends on a connection that was closed while it rested, and gives up."""

    INVARIANTS, EXPECT = ("CON001",), frozenset({"CON001"})
    retries_resets = False

    def make_http(self):
        address = urlsplit(self.base)
        return http.client.HTTPConnection(address.hostname, address.port, timeout=self.timeout_s)

    def exchange(self, method, path, headers, body, timeout):
        answer = requests.Response()
        try:
            self.http.request(method, path, headers=headers,
                              body=httpx.Request(method, self.base, json=body).content if body else None)
            found = self.http.getresponse()
            answer.status_code, answer._content = found.status, found.read()
        except (OSError, http.client.HTTPException) as error:
            self.http.close()
            raise requests.ConnectionError(type(error).__name__) from None
        return answer


class OneConnectionACall(Sound):
    """Trap: a connection of its own for each call."""

    INVARIANTS = ("CON001",)

    def make_http(self):
        return httpx.Client(timeout=self.timeout_s, limits=httpx.Limits(max_keepalive_connections=0))


class RestsOnRequests(SoundOnRequests):
    """Trap: requests' pool looks whether a connection is still open."""

    INVARIANTS = ("CON001",)


class RestsOnAiohttp(AsyncSound):
    """Trap: aiohttp's pool as it is."""

    INVARIANTS = ("CON001",)
