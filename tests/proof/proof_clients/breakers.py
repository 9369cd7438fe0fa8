"""Clients with a breaker, or with it wrong.

All are made for the long outages of the nightly scenarios: fifty operations a second, failures of a second.
"""

from __future__ import annotations

import collections
import random
import threading
import time

import httpx

from galeproof import read
from proof_clients.libraries import SoundOnRequests
from proof_clients.sound import PROFILE, READ, Failed, Sound

SLOW = {**PROFILE, "read_timeout_s": 2.0, "connect_timeout_s": 2.0, "deadline_s": 6.0, "max_attempts": 2}
BROKEN = {**SLOW, "breaker": {"calls": 100, "reset_s": 3.0, "probes": 3}}


class Breaker:
    """Opens where 80 of the last 100 calls failed, for 3 s; then one probe at a time, and three good ones."""

    calls, ratio, open_s, good = 100, 0.8, 3.0, 3

    def __init__(self):
        self.lock = threading.Lock()
        self.results = collections.deque(maxlen=self.calls)
        self.state, self.until, self.probing, self.won = "closed", 0.0, 0, 0

    def admit(self):
        with self.lock:
            if self.state == "open" and time.monotonic() >= self.until:
                self.state, self.probing, self.won = "half open", 0, 0
            if self.state == "closed":
                return True
            if self.state == "open" or not self.room():
                return False
            self.probing += 1
            return True

    def room(self):
        return self.probing < 1

    def record(self, ok):
        with self.lock:
            if self.state == "half open":
                self.probing -= 1
                self.probed(ok)
            elif self.state == "closed":
                self.results.append(ok)
                if len(self.results) == self.calls and self.results.count(False) >= self.ratio * self.calls:
                    self.trip()

    def probed(self, ok):
        if not ok:
            self.trip()
        else:
            self.won += 1
            if self.won >= self.good:
                self.state = "closed"
                self.results.clear()

    def trip(self):
        self.state, self.until = "open", time.monotonic() + self.open_s
        self.results.clear()


class Guarded(Sound):
    """Trap: a sound client with a breaker."""

    PROFILE = BROKEN
    INVARIANTS = ("CBK001", "CBK002", "CBK003", "CBK004", "BUD001")
    attempts, timeout_s, deadline_s = 2, 2.0, 6.0
    breaker_class = Breaker

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.breaker = self.breaker_class()

    def make_http(self):
        made = super().make_http()
        made._transport = httpx.HTTPTransport(limits=httpx.Limits(max_connections=400))
        return made

    def guard(self):
        return self.breaker

    def ill(self, response):
        return response is None or response.status_code >= 500

    def send(self, *args):
        guard, response = self.guard(), None
        if not guard.admit():
            raise Failed("open")
        try:
            response = super().send(*args)
        finally:
            guard.record(not self.ill(response))
        return response


# -- CBK001 ------------------------------------------------------------------------------------------

class BreakerForEachCall(Guarded):
    """The breaker object is made for each call."""

    INVARIANTS, EXPECT = ("CBK001",), frozenset({"CBK001"})

    def guard(self):
        return Breaker()


class CountsExceptionsOnly(Guarded):
    """An answer of 503 is no exception, and no failure."""

    INVARIANTS, EXPECT = ("CBK001",), frozenset({"CBK001"})

    def ill(self, response):
        return response is None


class CountsExceptionsOnlyOnRequests(SoundOnRequests):
    """The same on requests."""

    PROFILE = BROKEN
    INVARIANTS, EXPECT = ("CBK001",), frozenset({"CBK001"})
    attempts, timeout_s, deadline_s = 2, 2.0, 6.0

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.breaker = Breaker()

    def exchange(self, *args):
        if not self.breaker.admit():
            raise Failed("open")
        response = super().exchange(*args)
        self.breaker.record(True)
        return response


# -- CBK002 ------------------------------------------------------------------------------------------

class FloodingBreaker(Breaker):
    """Half open lets everybody through until the first has come back."""

    def room(self):
        return True


class FloodsWhenTheTimerFires(Guarded):
    """All callers pass when the open period is over."""

    INVARIANTS, EXPECT = ("CBK002",), frozenset({"CBK002"})
    breaker_class = FloodingBreaker


class TenProbes(Guarded):
    """Trap: ten probes at once, as resilience4j lets through by default."""

    INVARIANTS = ("CBK002", "CBK003")
    PROFILE = {**BROKEN, "breaker": {"calls": 100, "reset_s": 3.0, "probes": 10}}

    class breaker_class(Breaker):
        good = 10

        def room(self):
            return self.probing + self.won < 10


# -- CBK003 ------------------------------------------------------------------------------------------

class NeverCloses(Guarded):
    """Open for good."""

    INVARIANTS, EXPECT = ("CBK003",), frozenset({"CBK003"})

    class breaker_class(Breaker):
        open_s = 1e9


class ForgetsItsSuccesses(Guarded):
    """A probe's success is not counted: it goes on probing, one at a time."""

    INVARIANTS, EXPECT = ("CBK003",), frozenset({"CBK003"})

    class breaker_class(Breaker):
        def probed(self, ok):
            self.trip()


class ClosesInSteps(Guarded):
    """Trap: needs ten good probes before it closes."""

    INVARIANTS = ("CBK003",)

    class breaker_class(Breaker):
        good = 10


class ComesBackInARamp(Guarded):
    """Trap: after it has closed, lets through a share that grows over two seconds."""

    INVARIANTS = ("CBK003",)

    class breaker_class(Breaker):
        closed_at = 0.0

        def admit(self):
            if not super().admit():
                return False
            if self.state != "closed":
                return True
            return random.random() < (time.monotonic() - self.closed_at + 0.2) / 2.0

        def probed(self, ok):
            super().probed(ok)
            if self.state == "closed":
                self.closed_at = time.monotonic()


# -- CBK004 ------------------------------------------------------------------------------------------

class CountsAnyBadAnswer(Guarded):
    """Whatever is not 2xx is a failure."""

    INVARIANTS, EXPECT = ("CBK004",), frozenset({"CBK004"})

    def ill(self, response):
        return response is None or response.status_code >= 300


class CountsRefusedCredentials(Guarded):
    """Trap: opens on a storm of 401 too, as declared."""

    INVARIANTS = ("CBK004",)
    PROFILE = {**BROKEN, "breaker": {"calls": 100, "reset_s": 3.0, "counts": [401]}}

    def ill(self, response):
        return super().ill(response) or response.status_code == 401


class CountsAnyBadAnswerOnRequests(CountsExceptionsOnlyOnRequests):
    """Whatever is not 2xx is a failure, on requests."""

    INVARIANTS, EXPECT = ("CBK004",), frozenset({"CBK004"})

    def exchange(self, *args):
        if not self.breaker.admit():
            raise Failed("open")
        response = SoundOnRequests.exchange(self, *args)
        self.breaker.record(response.status_code < 300)
        return response


# -- CBK005 ------------------------------------------------------------------------------------------

class BreakerForEachHost(Guarded):
    """Trap: a breaker for each host."""

    INVARIANTS = ("CBK005",)

    def __init__(self, base_url, other_url, secrets):
        super().__init__(base_url, secrets)
        self.here, self.there = base_url, other_url
        self.mine = threading.local()
        self.breakers = {base_url: Breaker(), other_url: Breaker()}

    @read(answer=READ, origin="other")
    def fetch_other(self, ref):
        self.mine.base = self.there
        try:
            return self.fetch(ref)
        finally:
            self.mine.base = self.here

    def guard(self):
        return self.breakers[self.base]

    @property
    def base(self):
        return getattr(getattr(self, "mine", None), "base", None) or self.first

    @base.setter
    def base(self, url):
        self.first = url


class BreakerForEachEndpoint(BreakerForEachHost):
    """Trap: a breaker for each operation of each host."""

    def __init__(self, base_url, other_url, secrets):
        super().__init__(base_url, other_url, secrets)
        self.breakers = {(url, method): Breaker() for url in (base_url, other_url) for method in ("GET", "POST")}

    def send(self, method, *args):
        self.mine.method = method
        return super().send(method, *args)

    def guard(self):
        return self.breakers[self.base, self.mine.method]


class BreakerForTheProgram(BreakerForEachHost):
    """One breaker in a global variable of the module."""

    EXPECT = frozenset({"CBK005"})

    def guard(self):
        return self.breakers[self.here]
