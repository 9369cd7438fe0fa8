"""Mutants and traps: jitter."""

from __future__ import annotations

import itertools
import os
import random
import socket
import time
import zlib
from types import SimpleNamespace

import requests
from requests.adapters import HTTPAdapter
from tenacity import wait_exponential_jitter
from urllib3.util import Retry

from galeproof import read
from proof_clients.libraries import SoundOnRequests
from proof_clients.sound import PROFILE, READ, Failed, Sound

JITTERED = {**PROFILE, "deadline_s": 4.0,
            "backoff": {"base_s": 0.3, "factor": 2, "cap_s": 2.0, "jitter": "full"}}

OBJECTS = itertools.count()

# -- JIT001 ------------------------------------------------------------------------------------------


class Delays(Sound):
    """Trap: full jitter over 0.3 s and 0.6 s."""

    PROFILE = JITTERED
    INVARIANTS = ("JIT001", "JIT002", "JIT004", "JIT005")
    deadline_s = 4.0

    def wait_s(self, attempt, response):
        asked = self.asked_s(response) if response is not None else 0.0
        return max(self.delay_s(attempt), self.obeyed(asked) if asked > 0 else 0.0)

    def delay_s(self, attempt):
        return self.drawn(0.3 * 2 ** (attempt - 1))

    def drawn(self, ceiling):
        return random.uniform(0, ceiling)


class EqualJitter(Delays):
    """Trap: half fixed, half drawn."""

    INVARIANTS = ("JIT001", "JIT002", "JIT005")

    def drawn(self, ceiling):
        return ceiling / 2 + random.uniform(0, ceiling / 2)


class OpenAiStyle(Delays):
    """Trap: 75 to 100 % of the delay, as openai's client draws."""

    INVARIANTS = ("JIT001", "JIT002", "JIT005")

    def drawn(self, ceiling):
        return ceiling * (1 - 0.25 * random.random())


class GrpcStyle(Delays):
    """Trap: 20 % either way, as gRFC A6 says."""

    INVARIANTS = ("JIT001", "JIT002", "JIT005")

    def drawn(self, ceiling):
        return ceiling * random.uniform(0.8, 1.2)


class TenPercent(Delays):
    """Trap: 10 % either way, the narrowest that is jitter."""

    INVARIANTS = ("JIT001", "JIT002", "JIT005")

    def drawn(self, ceiling):
        return ceiling * random.uniform(0.9, 1.1)


class FixedExponential(Delays):
    """sleep(0.3 * 2 ** n)."""

    INVARIANTS = ("JIT001", "JIT002")
    EXPECT = frozenset({"JIT001", "JIT002"})

    def drawn(self, ceiling):
        return ceiling


class MillisecondJitter(FixedExponential):
    """random() taken as milliseconds: 0 to 1 ms of jitter."""

    def drawn(self, ceiling):
        return ceiling + random.random() / 1000


class OneDrawAClient(FixedExponential):
    """The jitter is drawn once, with the client object."""

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.factor = random.uniform(0.7, 1.3)

    def drawn(self, ceiling):
        return ceiling * self.factor


class SeededAlike(FixedExponential):
    """Every operation draws from a generator with the same seed; delays of 0.3 s and more."""

    def delay_s(self, attempt):
        rng = random.Random(42)
        return [0.3 + 0.3 * rng.random() for _ in range(attempt)][-1]


class FixedOnRequests(SoundOnRequests):
    """sleep(0.3 * 2 ** n), on requests."""

    PROFILE = JITTERED
    INVARIANTS, EXPECT = ("JIT001", "JIT002"), frozenset({"JIT001", "JIT002"})
    deadline_s = 4.0
    wait_s = Delays.wait_s

    def delay_s(self, attempt):
        return 0.3 * 2 ** (attempt - 1)


class Urllib3Fixed:
    """urllib3's Retry with a backoff factor and no jitter: the first retry at once, then 0.6 s."""

    PROFILE = {"max_attempts": 3, "retry_on": [503]}
    INVARIANTS, EXPECT = ("JIT001",), frozenset({"JIT001"})
    MAY: dict[str, str] = {}
    JITTER = 0.0

    def __init__(self, base_url, secrets):
        self.base, self.key = base_url, secrets["api_key"]
        self.http = requests.Session()
        retry = Retry(2, backoff_factor=0.3, backoff_jitter=self.JITTER, status_forcelist=[503],
                      raise_on_status=False)
        self.http.mount("http://", HTTPAdapter(max_retries=retry, pool_maxsize=100))

    @read(answer=READ)
    def fetch(self, ref):
        response = self.http.get(f"{self.base}/payments/{ref}", timeout=2,
                                 headers={"Authorization": self.key})
        if response.status_code >= 300:
            raise Failed(str(response.status_code))
        return response.json()

    def close(self):
        self.http.close()


class Urllib3Jittered(Urllib3Fixed):
    """Trap: the same with backoff_jitter=0.3."""

    EXPECT = frozenset()
    JITTER = 0.3


# -- JIT002 ------------------------------------------------------------------------------------------

class StripeStyle(Delays):
    """max(base, base * U(0.5, 1)) is base; only from the second retry on is anything drawn."""

    INVARIANTS, EXPECT = ("JIT001", "JIT002"), frozenset({"JIT002"})

    def delay_s(self, attempt):
        return max(0.3, 0.3 * 2 ** (attempt - 1) * random.uniform(0.5, 1))


class StripeStyleOnRequests(SoundOnRequests):
    """The same on requests."""

    PROFILE = JITTERED
    INVARIANTS, EXPECT = ("JIT002",), frozenset({"JIT002"})
    deadline_s = 4.0
    wait_s, delay_s = Delays.wait_s, StripeStyle.delay_s


# -- JIT003 ------------------------------------------------------------------------------------------

class CappedFull(Delays):
    """Trap: full jitter up to the cap: U(0, cap)."""

    PROFILE = {**JITTERED, "max_attempts": 4,
               "backoff": {"base_s": 0.2, "factor": 2, "cap_s": 0.4, "jitter": "full"}}
    INVARIANTS = ("JIT002", "JIT003", "JIT005", "RTY005")
    attempts = 4

    def delay_s(self, attempt):
        return random.uniform(0, min(0.4, 0.2 * 2 ** (attempt - 1)))


class SumIsCut(CappedFull):
    """min(cap, 2 ** n + jitter): what is cut off is the jitter."""

    INVARIANTS, EXPECT = ("JIT001", "JIT003"), frozenset({"JIT003"})

    def delay_s(self, attempt):
        return min(0.4, 0.2 * 2 ** (attempt - 1) + random.uniform(0, 0.15))


class TenacityAtTheCap(CappedFull):
    """tenacity's wait_exponential_jitter itself."""

    INVARIANTS, EXPECT = ("JIT003",), frozenset({"JIT003"})
    wait = staticmethod(wait_exponential_jitter(initial=0.2, max=0.4, jitter=0.15))

    def delay_s(self, attempt):
        return self.wait(SimpleNamespace(attempt_number=attempt))


class Urllib3AtTheCap(Urllib3Fixed):
    """urllib3's backoff_jitter itself, with a small backoff_max."""

    PROFILE = {"max_attempts": 5, "retry_on": [503],
               "backoff": {"base_s": 0.1, "factor": 2, "cap_s": 0.4, "jitter": 0.2}}
    INVARIANTS, EXPECT = ("JIT003",), frozenset({"JIT003"})

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        retry = Retry(4, backoff_factor=0.1, backoff_jitter=0.1, backoff_max=0.4, status_forcelist=[503],
                      raise_on_status=False)
        self.http.mount("http://", HTTPAdapter(max_retries=retry, pool_maxsize=100))


# -- JIT004 ------------------------------------------------------------------------------------------

class SeededProcess(Delays):
    """random.seed(42) where the process starts."""

    INVARIANTS, EXPECT = ("JIT004",), frozenset({"JIT004"})

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.rng = random.Random(self.seed())

    def seed(self):
        return 42

    def drawn(self, ceiling):
        return self.rng.uniform(0, ceiling)


class SeededByTheClock(SeededProcess):
    """Seeded by the minute in which it starts, as a fleet does in one."""

    def seed(self):
        return int(time.time() // 600)


class InheritedState(SeededProcess):
    """Every worker goes on with the state of the generator that its parent had before the fork."""

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        parent = random.Random(1)
        parent.random()
        self.rng = random.Random()
        self.rng.setstate(parent.getstate())


class SeededOnRequests(SoundOnRequests):
    """random.seed(42), on requests."""

    PROFILE = JITTERED
    INVARIANTS, EXPECT = ("JIT004",), frozenset({"JIT004"})
    deadline_s = 4.0
    wait_s, delay_s = Delays.wait_s, Delays.delay_s

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.rng = random.Random(42)

    drawn = SeededProcess.drawn


class KeyedByInstance(SeededProcess):
    """Trap: no chance at all, but a sequence that host, process and object choose."""

    EXPECT = frozenset()

    def seed(self):
        return zlib.crc32(f"{socket.gethostname()}/{os.getpid()}/{next(OBJECTS)}".encode())


# -- JIT005 ------------------------------------------------------------------------------------------

class OnePercent(FixedExponential):
    """1 % either way: no jitter to speak of, and JIT005 notes how narrow it is."""

    INVARIANTS, EXPECT = ("JIT005",), frozenset()
    MAY = {"JIT001": "a window of a few ms holds most of it", "JIT002": "a window of a few ms holds most of it"}
    NOTES = {"JIT005": "full jitter is recommended"}

    def drawn(self, ceiling):
        return ceiling * random.uniform(0.99, 1.01)
