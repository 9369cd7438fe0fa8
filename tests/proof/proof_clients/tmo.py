"""Mutants and traps: timeouts and deadlines."""

from __future__ import annotations

import time

from proof_clients.sound import PROFILE, Sound

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
    timeout_s, deadline_s = 1.0, 1e9

    def attempt_timeout(self, until):
        return self.timeout_s


class DeadlineRestarts(PerAttemptTimeoutOnly):
    """The deadline is counted anew for each attempt."""

    deadline_s = 1.0

    def attempt_timeout(self, until):
        return 1.0

    def may_sleep(self, delay, until):
        return True


class GivesUpEarly(Sound):
    """Trap: gives up when the next sleep would cross the deadline, and does so generously."""

    INVARIANTS = ("TMO006",)

    def may_sleep(self, delay, until):
        return time.monotonic() + delay + 0.3 < until
