"""Mutants and traps: fallbacks of reads."""

from __future__ import annotations

import requests

from galeproof import read
from proof_clients.libraries import SoundOnRequests
from proof_clients.sound import LOG, READ, Failed, Sound

# -- OBS003 ------------------------------------------------------------------------------------------


class FallsBack(Sound):
    """Trap: the primary first, then the secondary, then what it knew; each is marked."""

    PROFILE = {**Sound.PROFILE, "fallback": {"mark": "fallback"}}
    INVARIANTS = ("OBS003",)
    attempts = 2

    def __init__(self, base_url, secrets, other_url):
        super().__init__(base_url, secrets)
        self.other, self.known = other_url, {}

    @read(answer=READ)
    def fetch(self, ref):
        try:
            self.known[ref] = super().fetch(ref)
            return self.known[ref]
        except Failed:
            pass
        value = self.elsewhere(ref) or self.known.get(ref)
        return self.marked(value) if value else self.give_up("nobody answers")

    def marked(self, value):
        return {**value, "fallback": True}

    def elsewhere(self, ref):
        return self.asked(f"{self.other}/payments/{ref}", {"X-Request-Id": ref})

    def asked(self, url, headers):
        answer = self.http.get(url, headers=headers)
        return answer.json() if answer.status_code == 200 else None


class FallsBackOnRequests(FallsBack, SoundOnRequests):
    """Trap: the same on requests."""

    MAY = SoundOnRequests.MAY

    def asked(self, url, headers):
        answer = requests.get(url, headers=headers, timeout=self.timeout_s)
        return answer.json() if answer.status_code == 200 else None


class SilentStaleCache(FallsBack):
    """What it knew is given again as if it were fresh."""

    EXPECT = frozenset({"OBS003"})
    MAY = {"ERR001": "no error where one was due"}

    def elsewhere(self, ref):
        return None

    def marked(self, value):
        return value


class SilentSecondary(FallsBackOnRequests):
    """The secondary's value is not marked, on requests."""

    EXPECT = frozenset({"OBS003"})

    def marked(self, value):
        return value


class AsksBoth(FallsBack):
    """The secondary is asked at each call, healthy or not."""

    EXPECT = frozenset({"OBS003"})
    MAY = {"RTY001": "the secondary's requests count too", "RTY006": "and come at once"}

    @read(answer=READ)
    def fetch(self, ref):
        self.elsewhere(ref)
        return super().fetch(ref)


class HedgesDeclared(AsksBoth):
    """Trap: the same, declared to be a hedge."""

    EXPECT = frozenset()
    PROFILE = {**FallsBack.PROFILE, "hedged": True}


class LogsItsFallback(FallsBack):
    """Trap: the mark is a line of the log."""

    PROFILE = {**Sound.PROFILE, "fallback": {"mark": "log:fallback used"}}

    def marked(self, value):
        LOG.warning("fallback used")
        return value
