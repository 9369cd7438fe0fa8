"""Clients with a budget, a throttle and a bulkhead, or with them wrong; made for long outages."""

from __future__ import annotations

import collections
import random
import threading
import time

import httpx

from proof_clients.breakers import SLOW, Guarded
from proof_clients.libraries import SoundOnRequests
from proof_clients.sound import PROFILE, TRANSIENT, Failed, Sound

# -- BUD001 ------------------------------------------------------------------------------------------

class TokenBucket:
    """gRFC A6: a failure costs a token, a success gives a tenth back; no retry below half of the tokens."""

    most, refund = 20.0, 0.1

    def __init__(self):
        self.tokens, self.lock = self.most, threading.Lock()

    def record(self, ok):
        with self.lock:
            self.tokens = min(self.most, self.tokens + self.refund) if ok else max(0.0, self.tokens - 1)

    def may_retry(self):
        return self.tokens > self.most / 2


class Budgeted(Sound):
    """Trap: a retry budget of all its operations."""

    PROFILE = {**PROFILE, "retry_budget": True}
    INVARIANTS = ("BUD001",)

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.budget = TokenBucket()

    def bucket(self):
        return self.budget

    def send(self, *args):
        bucket = self.bucket()
        response = super().send(*args)
        bucket.record(response.status_code not in TRANSIENT)
        return response

    def may_sleep(self, delay, until):
        return self.bucket().may_retry() and super().may_sleep(delay, until)


class BudgetForEachRequest(Budgeted):
    """The budget object is made for each request."""

    EXPECT = frozenset({"BUD001"})

    def bucket(self):
        return TokenBucket()


class BudgetForEachRequestOnRequests(SoundOnRequests):
    """The same on requests: no budget at all on the wire."""

    PROFILE = Budgeted.PROFILE
    INVARIANTS, EXPECT = ("BUD001",), frozenset({"BUD001"})


class RetryForEachOperation(Budgeted):
    """A budget of one retry for each operation that is begun."""

    EXPECT = frozenset({"BUD001"})

    class _All:
        def __init__(self):
            self.left, self.lock = 0, threading.Lock()

        def record(self, ok):
            pass

        def earn(self):
            with self.lock:
                self.left += 1

        def may_retry(self):
            with self.lock:
                paid = self.left > 0
                self.left -= paid
                return paid

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.budget = self._All()

    def operation(self, *args):
        self.budget.earn()
        return super().operation(*args)


# -- BUD002 ------------------------------------------------------------------------------------------

class Throttle:
    """The SRE book's: holds back with the chance (asked - 2 accepted) / (asked + 1), over 6 s;
    one in ten always passes."""

    window_s = 6.0

    def __init__(self):
        self.lock = threading.Lock()
        self.asked, self.accepted = collections.deque(), collections.deque()

    def slide(self, times):
        while times and times[0] < time.monotonic() - self.window_s:
            times.popleft()

    def admit(self):
        with self.lock:
            self.slide(self.asked)
            self.slide(self.accepted)
            chance = (len(self.asked) - 2 * len(self.accepted)) / (len(self.asked) + 1)
            self.count()
            return random.random() >= min(0.9, chance)

    def count(self):
        self.asked.append(time.monotonic())

    def record(self, ok):
        if ok:
            with self.lock:
                self.accepted.append(time.monotonic())


class Throttled(Guarded):
    """Trap: an adaptive throttle in the place of a breaker."""

    PROFILE = {**SLOW, "throttle": {"window_s": 15.0}}
    INVARIANTS = ("BUD002", "CBK001")
    breaker_class = Throttle


class WindowThatNeverSlides(Throttled):
    """What was asked and refused once counts for ever."""

    INVARIANTS, EXPECT = ("BUD002",), frozenset({"BUD002"})

    class breaker_class(Throttle):
        def slide(self, times):
            pass


class CountsAnswersOnly(Throttled):
    """A request is counted when it is answered, as the accepted ones are: they are always as many."""

    INVARIANTS, EXPECT = ("BUD002",), frozenset({"BUD002"})

    class breaker_class(Throttle):
        def count(self):
            pass

        def record(self, ok):
            with self.lock:
                if ok:
                    self.asked.append(time.monotonic())
                    self.accepted.append(time.monotonic())


# -- BUD003 ------------------------------------------------------------------------------------------

class Partitioned(Sound):
    """Trap: twenty places for reads and twenty for writes; who finds none within 0.3 s fails."""

    PROFILE = {**PROFILE, "read_timeout_s": 1.0, "connect_timeout_s": 1.0, "max_attempts": 1,
               "bulkhead": {"limit": 40, "per_route": 20}}
    INVARIANTS = ("BUD003",)
    attempts, timeout_s = 1, 1.0

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.places = {"GET": threading.Semaphore(20), "POST": threading.Semaphore(20)}

    def send(self, method, *args):
        if not self.places[method].acquire(timeout=0.3):
            raise Failed("full")
        try:
            return super().send(method, *args)
        finally:
            self.places[method].release()


class QueuesBeforeOneEndpoint(Partitioned):
    """Trap: whoever finds no place waits in a queue of that endpoint alone, up to the deadline."""

    def send(self, method, path, ref, body, key, attempt, until):
        if not self.places[method].acquire(timeout=max(0.0, until - time.monotonic() - 0.3)):
            raise Failed("full")
        try:
            return Sound.send(self, method, path, ref, body, key, attempt, until)
        finally:
            self.places[method].release()


class ReleasedEarly(Partitioned):
    """The semaphore is given back before the answer is there."""

    EXPECT = frozenset({"BUD003"})

    def send(self, method, *args):
        with self.places[method]:
            pass
        return Sound.send(self, method, *args)


class OnePoolForAll(Partitioned):
    """One pool of ten connections for everything."""

    PROFILE = {**Partitioned.PROFILE, "bulkhead": {"limit": 10}}
    EXPECT = frozenset({"BUD003"})

    def make_http(self):
        return httpx.Client(timeout=httpx.Timeout(1.0, pool=1.0), limits=httpx.Limits(max_connections=10))

    def send(self, method, *args):
        return Sound.send(self, method, *args)
