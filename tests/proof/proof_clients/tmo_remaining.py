"""Mutants and traps: what remains of a deadline."""

from __future__ import annotations

import threading
import time

from proof_clients.libraries import SoundOnRequests
from proof_clients.sound import PROFILE, Sound

PATIENT = {**PROFILE, "read_timeout_s": 2.45, "connect_timeout_s": 2.45}
TOLD = {**PROFILE, "deadline_header": "X-Deadline-Ms"}


class GivesWhatRemains(Sound):
    """Trap: a long timeout, cut to what remains of the deadline."""

    PROFILE = PATIENT
    INVARIANTS = ("TMO007",)
    timeout_s = 2.45


class LocalTimeoutAtTheEnd(GivesWhatRemains):
    """The last attempt gets the whole timeout again."""

    EXPECT = frozenset({"TMO007"})
    MAY = {"TMO006": "the operation outlives its deadline by what the attempt does"}

    def attempt_timeout(self, until):
        return self.timeout_s

    def attempt_ends(self, until):
        return float("inf")


class LocalTimeoutAtTheEndOnRequests(SoundOnRequests):
    """The same on requests."""

    PROFILE = PATIENT
    INVARIANTS, EXPECT = ("TMO007",), frozenset({"TMO007"})
    MAY = LocalTimeoutAtTheEnd.MAY
    timeout_s = 2.45
    attempt_timeout = LocalTimeoutAtTheEnd.attempt_timeout


class TellsWhatRemains(Sound):
    """Trap: a header with the milliseconds that remain, made anew for each attempt."""

    PROFILE = TOLD
    INVARIANTS = ("TMO007",)

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.mine = threading.local()

    def send(self, method, path, ref, body, key, attempt, until):
        self.mine.until, self.mine.attempt = until, attempt
        return super().send(method, path, ref, body, key, attempt, until)

    def say(self, headers):
        headers["X-Deadline-Ms"] = str(self.told_ms())
        super().say(headers)

    def told_ms(self):
        return int((self.mine.until - time.monotonic()) * 1000)


class CopiesTheFirstHeader(TellsWhatRemains):
    """The header is copied from the first attempt."""

    EXPECT = frozenset({"TMO007"})

    def told_ms(self):
        if self.mine.attempt == 1:
            self.mine.first = super().told_ms()
        return self.mine.first


class TellsAnInstant(TellsWhatRemains):
    """Trap: the deadline as an instant, the same on every attempt."""

    def told_ms(self):
        if self.mine.attempt == 1:
            self.mine.first = int((time.time() + self.mine.until - time.monotonic()) * 1000)
        return self.mine.first
