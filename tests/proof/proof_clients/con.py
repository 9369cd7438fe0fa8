"""Mutants and traps: connections."""

from __future__ import annotations

import asyncio
import http.client
import threading
from urllib.parse import urlsplit

import httpx
import requests
from requests.adapters import HTTPAdapter

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


# -- CON002 ------------------------------------------------------------------------------------------

class CancelledOnAiohttp(AsyncSound):
    """Trap: aiohttp's pool of a hundred, which closes what was cancelled."""

    INVARIANTS = ("CON002",)


class Pooled(AsyncSound):
    """Trap: httpx's async pool, eighty connections and five of them kept: fresh ones beyond that limit."""

    INVARIANTS = ("CON002",)
    size = 80

    async def operation(self, method, path, ref, body=None):
        if self.http is None:
            self.http = httpx.AsyncClient(timeout=httpx.Timeout(self.timeout_s, pool=self.deadline_s),
                                          limits=httpx.Limits(max_connections=self.size,
                                                              max_keepalive_connections=5))
        why = "?"
        try:
            return (await self.exchange(method, path, ref, body)).json()
        except (httpx.TransportError, ValueError) as error:
            why = type(error).__name__
        raise Failed(why)

    async def exchange(self, method, path, ref, body):
        response = await self.http.request(method, self.base + path, json=body, headers={
            "Authorization": f"Bearer {self.key}", "X-Request-Id": ref})
        return response if response.status_code < 300 else Failed(str(response.status_code))

    async def close(self):
        if self.http:
            await self.http.aclose()


class KeepsTheSlot(Pooled):
    """A slot of the client's own is given back after an answer, and not after a cancellation."""

    EXPECT = frozenset({"CON002"})
    MAY = {"TMO004": "who waits for a slot waits for ever", "ERR001": "TimeoutError"}
    slots = None

    async def exchange(self, *args):
        self.slots = self.slots or asyncio.Semaphore(self.size)
        async with asyncio.timeout(self.deadline_s):
            await self.slots.acquire()
        found = await super().exchange(*args)
        self.slots.release()
        return found

    async def operation(self, *args):
        try:
            return await super().operation(*args)
        except TimeoutError:
            pass
        raise Failed("no slot")


class KeepsTheSlotOnAiohttp(CancelledOnAiohttp):
    """The same on aiohttp."""

    EXPECT = frozenset({"CON002"})
    slots = None

    async def send(self, *args):
        self.slots = self.slots or asyncio.Semaphore(80)
        await self.slots.acquire()
        found = await super().send(*args)
        self.slots.release()
        return found


class AnswersOutOfTurn(CancelledOnAiohttp):
    """Answers are given to callers in the order of a queue that cancellations never shortened."""

    EXPECT = frozenset({"CON002"})
    last = None

    async def operation(self, *args):
        found = await super().operation(*args)
        before, self.last = self.last, found
        return found if before is None or self.once() else before

    def once(self):
        return not self.cancelled

    cancelled = False

    async def send(self, *args):
        try:
            return await super().send(*args)
        except asyncio.CancelledError:
            self.cancelled = True
            raise


class TimesOutOnRequests(SoundOnRequests):
    """Trap: threads that time out in a pool of sixty, which the others wait for."""

    INVARIANTS = ("CON002",)
    MAY = {**SoundOnRequests.MAY, "TMO006": "nothing bounds the wait for a place in its pool"}

    def make_http(self):
        session = super().make_http()
        session.mount("http://", HTTPAdapter(pool_maxsize=60, pool_block=True))
        return session
