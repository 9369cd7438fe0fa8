"""Mutants and traps: retry policy."""

from __future__ import annotations

import time

import httpx

from proof_clients.sound import PROFILE, Failed, Sound

# -- RTY001 ------------------------------------------------------------------------------------------

class OffByOne(Sound):
    """`<=` where `<` is meant: four attempts for a declared three."""

    INVARIANTS, EXPECT = ("RTY001",), frozenset({"RTY001"})
    attempts = 4


class Forever(Sound):
    """`while True`."""

    INVARIANTS, EXPECT = ("RTY001",), frozenset({"RTY001"})
    MAY = {"TMO006": "it never stops, so no deadline holds"}
    attempts, deadline_s = 10**9, 1e9

    def attempt_timeout(self, until):
        return self.timeout_s


class FewerAttempts(Sound):
    """Trap: two attempts where three are allowed."""

    INVARIANTS = ("RTY001",)
    attempts = 2
    MAY = {"RTY003": "two failures in a row use up its two attempts"}


# -- RTY003 ------------------------------------------------------------------------------------------

class StatusesOnly(Sound):
    """Retries statuses, not resets."""

    INVARIANTS, EXPECT = ("RTY003",), frozenset({"RTY003"})
    retries_resets = False


class SwallowsTheEnd(Sound):
    """The loop catches everything and returns None instead of trying again."""

    INVARIANTS, EXPECT = ("RTY003",), frozenset({"RTY003"})

    def operation(self, method, path, ref, body=None):
        try:
            response = self.send(method, path, ref, body, self.operation_key(), 1,
                                 time.monotonic() + self.deadline_s)
            return response.json() if response.status_code < 300 else None
        except (httpx.TransportError, ValueError):
            return None


class LeavesBusyToTheCaller(Sound):
    """Trap: 429 is left to the caller, as declared."""

    INVARIANTS = ("RTY003",)
    PROFILE = {**PROFILE, "retry_on": [x for x in PROFILE["retry_on"] if x != 429]}

    def send(self, *args):
        response = super().send(*args)
        if response.status_code == 429:
            raise Failed("429")
        return response
