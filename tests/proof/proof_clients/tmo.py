"""Mutants and traps: timeouts and deadlines."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Waited

import aiohttp
import httpx
from requests.adapters import HTTPAdapter

from proof_clients.aio import AsyncSound
from proof_clients.libraries import SoundOnRequests
from proof_clients.sound import PROFILE, Failed, Sound


class OnRequests(SoundOnRequests):
    """requests: a read timeout only. A 102 is its final answer."""

    INVARIANTS, EXPECT = ("TMO004",), frozenset({"TMO004"})
    MAY = {}


# -- TMO001 ------------------------------------------------------------------------------------------

class TimeoutNone(Sound):
    """httpx with timeout=None; only a deadline over reads ends it."""

    INVARIANTS = ("TMO001", "TMO002", "TMO003")
    EXPECT = frozenset(INVARIANTS)
    MAY = {"TMO006": "connecting outlives the deadline too", "RTY003": "no time is left for a second try"}

    def attempt_timeout(self, until):
        return None


class ReadTimeoutAlone(Sound):
    """A timeout on reads only."""

    INVARIANTS, EXPECT = ("TMO001",), frozenset({"TMO001"})

    def attempt_timeout(self, until):
        return httpx.Timeout(None, read=super().attempt_timeout(until))


class ReadTimeoutAloneOnRequests(OnRequests):
    """timeout=(None, 0.4)."""

    INVARIANTS, EXPECT = ("TMO001",), frozenset({"TMO001"})
    MAY = {"TMO004": "requests has no total timeout"}

    def attempt_timeout(self, until):
        return (None, super().attempt_timeout(until))


class SynRetriesOfTheSystem(OnRequests):
    """Trap: no connect timeout of its own; the system's SYN retries end within the declared deadline."""

    INVARIANTS, EXPECT = ("TMO001",), frozenset()
    PROFILE = {**{k: v for k, v in PROFILE.items() if k != "connect_timeout_s"}, "deadline_s": 4.0}
    MAY = {"TMO004": "requests has no total timeout", "RTY003": "it tries once"}
    attempts, deadline_s = 1, 4.0

    def make_http(self):
        session = super().make_http()
        session.mount("http://", _FewSyns(pool_maxsize=100))
        return session

    def attempt_timeout(self, until):
        return (None, 0.4)


class _FewSyns(HTTPAdapter):
    def init_poolmanager(self, *args, **more):  # about 3 s in place of 130 s
        super().init_poolmanager(*args, **more, socket_options=[(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1)])


class RacesFamilies(AsyncSound):
    """Trap: races IPv6 against IPv4 (happy eyeballs)."""

    INVARIANTS = ("TMO001",)

    def __init__(self, base_url, secrets):
        super().__init__(base_url.replace("127.0.0.1", "provider.example"), secrets)

    def connector(self):
        return aiohttp.TCPConnector(resolver=_Both(), happy_eyeballs_delay=0.05, ssl=False)


class _Both(aiohttp.abc.AbstractResolver):
    async def resolve(self, host, port=0, family=socket.AF_UNSPEC):
        return [{"hostname": host, "host": address, "port": port, "family": kind, "proto": 0, "flags": 0}
                for address, kind in (("::1", socket.AF_INET6), ("127.0.0.1", socket.AF_INET))]

    async def close(self):
        pass


# -- TMO002 ------------------------------------------------------------------------------------------

class NoTimeout(Sound):
    """No read timeout at all."""

    INVARIANTS, EXPECT = ("TMO002",), frozenset({"TMO002"})
    MAY = {"TMO006": "an operation without a timeout outlives its deadline too",
           "RTY003": "it never comes to its second attempt"}

    def attempt_timeout(self, until):
        return None


class MillisecondsAsSeconds(NoTimeout):
    """400 ms given where seconds are meant."""

    def attempt_timeout(self, until):
        return 400


class SlowSetUp(Sound):
    """Trap: 0.15 s of set-up before any network, as a TLS context costs."""

    INVARIANTS = ("TMO002",)

    def send(self, *args):
        time.sleep(0.15)
        return super().send(*args)


# -- TMO006 ------------------------------------------------------------------------------------------

class PerAttemptTimeoutOnly(Sound):
    """Each attempt is bounded, the operation is not."""

    INVARIANTS, EXPECT = ("TMO006",), frozenset({"TMO006"})
    PROFILE = {**PROFILE, "deadline_s": 1.0, "read_timeout_s": 1.0}
    MAY = {"RAF004": "a wait beyond the deadline is slept through", "TMO004": "a drip is not bounded either"}
    timeout_s, deadline_s = 1.0, 1e9

    def attempt_timeout(self, until):
        return self.timeout_s


class DeadlineRestarts(PerAttemptTimeoutOnly):
    """The deadline is counted anew for each attempt."""

    deadline_s = 1.0

    def attempt_timeout(self, until):
        return 1.0

    def attempt_ends(self, until):
        return time.monotonic() + 1.0

    def may_sleep(self, delay, until):
        return True


class GivesUpEarly(Sound):
    """Trap: gives up when the next sleep would cross the deadline, and does so generously."""

    INVARIANTS = ("TMO006",)

    def may_sleep(self, delay, until):
        return time.monotonic() + delay + 0.3 < until


# -- TMO003 ------------------------------------------------------------------------------------------

class TimeoutClearedAfterHeaders(Sound):
    """The timeout of the request is cleared once its head is there."""

    INVARIANTS, EXPECT = ("TMO003",), frozenset({"TMO003"})
    MAY = {"TMO006": "an operation without an end outlives its deadline too",
           "TMO004": "nothing bounds a body"}

    def make_http(self):
        return _ClearsTimeout(limits=httpx.Limits(max_connections=100))

    def attempt_ends(self, until):
        return float("inf")


class _ClearsTimeout(httpx.Client):
    def request(self, method, url, **more):
        follow = more.pop("follow_redirects")
        request = self.build_request(method, url, **more)
        response = self.send(request, stream=True, follow_redirects=follow)
        response.request.extensions["timeout"]["read"] = None
        response.read()
        return response


class HeadUnderATimeout(AsyncSound):
    """aiohttp: the timeout covers the head, the body is read outside of it."""

    INVARIANTS, EXPECT = ("TMO003",), frozenset({"TMO003"})
    MAY = {"TMO006": "an operation without an end outlives its deadline too",
           "TMO004": "nothing bounds a body"}

    async def operation(self, method, path, ref, body=None):
        self.http = self.http or aiohttp.ClientSession(connector=self.connector())
        return await self.tries(method, path, ref, body)

    async def send(self, method, path, headers, body):
        async with asyncio.timeout(0.4):
            response = await self.http.request(method, self.base + path, json=body, headers=headers,
                                               timeout=aiohttp.ClientTimeout())
        value = await response.json(content_type=None)
        return response.status, value if response.status < 300 else None, 0.0


class RaisesOnNext(Sound):
    """Trap: the caller drains an iterator, whose next() raises within the timeout."""

    INVARIANTS = ("TMO003",)

    def make_http(self):
        client = super().make_http()
        client.__class__ = _Streams  # the same pool, which keeps the deadline
        return client


class _Streams(httpx.Client):
    def request(self, method, url, **more):
        with self.stream(method, url, **more) as response:
            pieces = response.iter_bytes()
            response._content = b"".join(pieces)
            return response


# -- TMO004 ------------------------------------------------------------------------------------------

class DeadlineBetweenAttempts(Sound):
    """The deadline is looked at between attempts only."""

    INVARIANTS, EXPECT = ("TMO004",), frozenset({"TMO004"})

    def attempt_ends(self, until):
        return float("inf")


class ReadsSlowly(DeadlineBetweenAttempts):
    """The caller takes an endless body slowly, and nobody looks at the clock."""

    def make_http(self):
        return _ReadsSlowly(limits=httpx.Limits(max_connections=100))


class _ReadsSlowly(httpx.Client):
    def request(self, method, url, **more):
        with self.stream(method, url, **more) as response:
            taken = []
            for piece in response.iter_raw():
                taken.append(piece)
                time.sleep(0.01)
            response._content = b"".join(taken)
            return response


class ReadsSlowlyInTime(AsyncSound):
    """Trap: takes a body slowly, under one deadline."""

    INVARIANTS = ("TMO004",)

    async def body_of(self, response):
        taken = bytearray()
        async for piece in response.content.iter_any():
            taken += piece
            await asyncio.sleep(0.01)
        return json.loads(bytes(taken))


class AbortsTheSlow(AsyncSound):
    """Trap: gives up early on a provider that sends less than a declared minimum."""

    INVARIANTS = ("TMO004",)
    attempts = 1
    MAY = {"RTY003": "it tries once"}

    async def send(self, *args):
        async with asyncio.timeout(1.0):
            return await super().send(*args)


# -- TMO008 ------------------------------------------------------------------------------------------

class FutureWithTimeout(Sound):
    """future.result(timeout) around a thread that goes on retrying."""

    INVARIANTS, EXPECT = ("TMO008",), frozenset({"TMO008"})
    MAY = {"RTY003": "it gives up during its second attempt"}

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.pool = ThreadPoolExecutor(64)

    def operation(self, *args):
        future: Future = self.pool.submit(super().operation, *args)
        try:
            return future.result(timeout=0.5)
        except Waited:
            raise Failed("timeout") from None


class LeavesItsConnection(FutureWithTimeout):
    """The same around one attempt without a timeout: its connection stays open."""

    attempts = 1
    MAY = {"RTY003": "it tries once", "TMO002": "the attempt itself waits for ever",
           "CON002": "what it leaves behind is a connection"}

    def attempt_timeout(self, until):
        return 30.0

    def attempt_ends(self, until):
        return float("inf")


class Shields(AsyncSound):
    """The work is shielded from its caller's cancellation."""

    INVARIANTS, EXPECT = ("TMO008",), frozenset({"TMO008"})

    async def tries(self, *args):
        return await asyncio.shield(asyncio.ensure_future(super().tries(*args)))


class SwallowsCancellation(AsyncSound):
    """A cancellation is taken for one more failure to retry."""

    INVARIANTS, EXPECT = ("TMO008",), frozenset({"TMO008"})

    async def send(self, *args):
        try:
            return await super().send(*args)
        except asyncio.CancelledError:
            raise aiohttp.ClientError from None


class Hedges(AsyncSound):
    """Trap: hedges a read, as declared, and lets the one that lost finish."""

    INVARIANTS = ("TMO008",)
    PROFILE = {**PROFILE, "hedged": True}
    MAY = {"RTY003": "a hedge is no second try of the one that fails"}
    attempts = 1

    async def tries(self, method, *args):
        first = asyncio.ensure_future(super().tries(method, *args))
        if method != "GET":
            return await first
        done, _ = await asyncio.wait({first}, timeout=0.2)
        racing = {first} if done else {first, asyncio.ensure_future(super().tries(method, *args))}
        try:
            done, rest = await asyncio.wait(racing, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            for task in racing:
                task.cancel()
            raise
        for task in rest:
            task.add_done_callback(lambda task: task.cancelled() or task.exception())
        return done.pop().result()
