"""Mutants and traps: jitter."""

from __future__ import annotations

import random

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from galeproof import read
from proof_clients.libraries import SoundOnRequests
from proof_clients.sound import PROFILE, READ, Failed, Sound

JITTERED = {**PROFILE, "deadline_s": 4.0,
            "backoff": {"base_s": 0.3, "factor": 2, "cap_s": 2.0, "jitter": "full"}}

# -- JIT001 ------------------------------------------------------------------------------------------


class Delays(Sound):
    """Trap: full jitter over 0.3 s and 0.6 s."""

    PROFILE = JITTERED
    INVARIANTS = ("JIT001",)
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

    def drawn(self, ceiling):
        return ceiling / 2 + random.uniform(0, ceiling / 2)


class OpenAiStyle(Delays):
    """Trap: 75 to 100 % of the delay, as openai's client draws."""

    def drawn(self, ceiling):
        return ceiling * (1 - 0.25 * random.random())


class GrpcStyle(Delays):
    """Trap: 20 % either way, as gRFC A6 says."""

    def drawn(self, ceiling):
        return ceiling * random.uniform(0.8, 1.2)


class TenPercent(Delays):
    """Trap: 10 % either way, the narrowest that is jitter."""

    def drawn(self, ceiling):
        return ceiling * random.uniform(0.9, 1.1)


class FixedExponential(Delays):
    """sleep(0.3 * 2 ** n)."""

    EXPECT = frozenset({"JIT001"})

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
    INVARIANTS, EXPECT = ("JIT001",), frozenset({"JIT001"})
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
