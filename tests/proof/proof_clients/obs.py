"""Mutants and traps: what a client tells of itself."""

from __future__ import annotations

import itertools
import uuid

from proof_clients.libraries import SoundOnRequests
from proof_clients.sound import Sound

# -- OBS001 ------------------------------------------------------------------------------------------

_IDS = itertools.count(1)


class NewIdEachAttempt(Sound):
    """A fresh correlation id inside the retry loop."""

    INVARIANTS, EXPECT = ("OBS001",), frozenset({"OBS001"})

    def send(self, method, path, ref, *args):
        return super().send(method, path, str(uuid.uuid4()), *args)


class OneIdAProcess(SoundOnRequests):
    """An id made once, on requests."""

    INVARIANTS, EXPECT = ("OBS001",), frozenset({"OBS001"})
    ONE = str(uuid.uuid4())

    def send(self, method, path, ref, *args):
        return super().send(method, path, self.ONE, *args)


class NewSpanEachAttempt(SoundOnRequests):
    """Trap: a traceparent whose span changes with each attempt, and whose trace does not."""

    INVARIANTS = ("OBS001",)
    PROFILE = {**SoundOnRequests.PROFILE, "correlation_id": "traceparent"}

    def exchange(self, method, path, headers, body, timeout):
        trace = uuid.uuid5(uuid.NAMESPACE_OID, headers["X-Request-Id"]).hex
        span = f"{next(_IDS):016x}"
        return super().exchange(method, path, {**headers, "traceparent": f"00-{trace}-{span}-01"}, body, timeout)


class UndeclaredId(Sound):
    """Trap: nobody declared the header, and each operation has its own id all the same."""

    INVARIANTS = ("OBS001",)
    PROFILE = {k: v for k, v in Sound.PROFILE.items() if k != "correlation_id"}
