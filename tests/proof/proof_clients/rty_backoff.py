"""Mutants and traps: the growth and the cap of backoff."""

from __future__ import annotations

import random
import threading

from proof_clients.jit import Delays
from proof_clients.libraries import SoundOnRequests
from proof_clients.sound import PROFILE, Failed

PATIENT = {**PROFILE, "max_attempts": 4, "deadline_s": 5.0,
           "backoff": {"base_s": 0.1, "factor": 2, "cap_s": 0.8, "jitter": "full"}}


class GrowsAndCaps(Delays):
    """Trap: full jitter over 0.1, 0.2 and 0.4 s."""

    PROFILE = PATIENT
    INVARIANTS = ("RTY005",)
    attempts, deadline_s = 4, 5.0

    def delay_s(self, attempt):
        return random.uniform(0, min(0.8, 0.1 * 2 ** (attempt - 1)))


class NeverGrows(GrowsAndCaps):
    """The exponent is never counted up."""

    EXPECT = frozenset({"RTY005"})

    def delay_s(self, attempt):
        return random.uniform(0, 0.1)


class NeverGrowsOnRequests(SoundOnRequests):
    """The same on requests."""

    PROFILE = PATIENT
    INVARIANTS, EXPECT = ("RTY005",), frozenset({"RTY005"})
    attempts, deadline_s = 4, 5.0
    wait_s, delay_s = Delays.wait_s, NeverGrows.delay_s


class OverflowingExponent(GrowsAndCaps):
    """The third delay has run away to 2^63 s."""

    EXPECT = frozenset({"RTY005"})
    MAY = {"TMO006": "it sleeps through its deadline", "RTY006": "its other delays are short"}

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.closed = threading.Event()

    def may_sleep(self, delay, until):
        return True

    def delay_s(self, attempt):
        if attempt == 3 and self.closed.wait(1e6):
            raise Failed("closed")
        return super().delay_s(attempt)

    def close(self):
        self.closed.set()
        super().close()


class PatientWithTheProvider(GrowsAndCaps):
    """Trap: waits for as long as Retry-After says, which is more than its own cap."""

    INVARIANTS = ("RTY005", "RAF001")


class ConstantAndJittered(GrowsAndCaps):
    """Trap: one delay of 0.3 s with jitter, declared so."""

    PROFILE = {**PATIENT, "backoff": {"base_s": 0.3, "factor": 1, "cap_s": 0.4, "jitter": 0.2}}

    def delay_s(self, attempt):
        return 0.3 * random.uniform(0.8, 1.2)


class Decorrelated(GrowsAndCaps):
    """Trap: each delay is drawn from the base to three times the one before."""

    PROFILE = {**PATIENT, "deadline_s": 8.0,
               "backoff": {"base_s": 0.1, "factor": 3, "cap_s": 2.0, "jitter": "full"}}
    deadline_s = 8.0

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.last = threading.local()

    def delay_s(self, attempt):
        before = 0.1 if attempt == 1 else self.last.s
        self.last.s = min(2.0, random.uniform(0.1, 3 * before))
        return self.last.s
