"""Mutants and traps: Retry-After."""

from __future__ import annotations

import random

from proof_clients.sound import PROFILE, Sound

# -- RAF001 ------------------------------------------------------------------------------------------

class IgnoresRetryAfter(Sound):
    """The header is not looked at."""

    INVARIANTS, EXPECT = ("RAF001",), frozenset({"RAF001"})

    def obeyed(self, seconds):
        return 0.0


class CapsRetryAfter(Sound):
    """min(v, 1)."""

    INVARIANTS, EXPECT = ("RAF001",), frozenset({"RAF001"})

    def obeyed(self, seconds):
        return min(seconds, 1.0)


class PatientAndJittered(Sound):
    """Trap: v plus jitter of up to half a second."""

    INVARIANTS = ("RAF001",)
    PROFILE = {**PROFILE, "deadline_s": 5.0}
    deadline_s = 5.0

    def obeyed(self, seconds):
        return seconds + random.uniform(0, 0.5)
