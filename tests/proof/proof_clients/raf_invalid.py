"""Mutants and traps: what Retry-After must not hold, and RateLimit fields."""

from __future__ import annotations

import re
import threading
import time

from proof_clients.libraries import SoundOnRequests
from proof_clients.sound import PROFILE, Failed, Sound

# -- RAF003 ------------------------------------------------------------------------------------------

class NegativeSleep(Sound):
    """time.sleep(int(value)): a negative number raises ValueError."""

    INVARIANTS, EXPECT = ("RAF003",), frozenset({"RAF003"})

    def asked_s(self, response):
        value = response.headers.get("Retry-After", "")
        return int(value) if value.lstrip("-").isdecimal() else self.until_s(value, response)

    def wait_s(self, attempt, response):
        asked = self.asked_s(response) if response is not None else 0.0
        if asked < 0:
            time.sleep(asked)
        return super().wait_s(attempt, response)

    def until_s(self, date, response):
        return max(0.0, super().until_s(date, response))


class NegativeSleepOnRequests(SoundOnRequests):
    """The same on requests."""

    INVARIANTS, EXPECT = ("RAF003",), frozenset({"RAF003"})

    def wait_s(self, attempt, response):
        if response is not None and response.headers.get("Retry-After") == "-1":
            time.sleep(int(response.headers["Retry-After"]))
        return super().wait_s(attempt, response)


class SuperscriptIsADigit(Sound):
    """isdigit() takes a superscript two, and int() then raises."""

    INVARIANTS, EXPECT = ("RAF003",), frozenset({"RAF003"})

    def asked_s(self, response):
        value = response.headers.get("Retry-After", "")
        return float(int(value)) if value.isdigit() else self.until_s(value, response)


class InfiniteSleep(Sound):
    """float("inf") seconds are slept."""

    INVARIANTS, EXPECT = ("RAF003",), frozenset({"RAF003", "TMO006"})

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.closed = threading.Event()

    def wait_s(self, attempt, response):
        if response is not None and response.headers.get("Retry-After") == "inf" and self.closed.wait(1e6):
            raise Failed("closed")
        return super().wait_s(attempt, response)

    def close(self):
        self.closed.set()
        super().close()


class WordMeansZero(Sound):
    """parseInt(value) || 0: what is no number is 0 ms, again and again."""

    INVARIANTS, EXPECT = ("RAF003",), frozenset({"RAF003"})
    MAY = {"RAF002": "a date is no number either", "RTY006": "a date in the past too"}

    def wait_s(self, attempt, response):
        value = response.headers.get("Retry-After") if response is not None else None
        if value is not None and not (value.isascii() and value.isdigit()):
            return 0.0
        return super().wait_s(attempt, response)


class TakesFractions(Sound):
    """Trap: 1.5 is waited for, although the grammar has digits only."""

    INVARIANTS = ("RAF003",)

    def asked_s(self, response):
        value = response.headers.get("Retry-After", "")
        return 1.5 if value == "1.5" else super().asked_s(response)


class PastMeansNowOnce(Sound):
    """Trap: after a date of the past it retries at once, but one time only."""

    INVARIANTS = ("RAF003",)

    def wait_s(self, attempt, response):
        value = response.headers.get("Retry-After", "") if response is not None else ""
        if attempt == 1 and "GMT" in value and self.until_s(value, response) <= 0:
            return 0.0
        return super().wait_s(attempt, response)


# -- RAF005 ------------------------------------------------------------------------------------------

FIELD = re.compile(r'"?[a-z]+"?;r=(\d+);t=(\d+)')


class ObeysTheFields(Sound):
    """Trap: holds all its requests back until the limit is over."""

    PROFILE = {**PROFILE, "deadline_s": 5.0, "rate_limit_fields": True}
    INVARIANTS, EXPECT = ("RAF005",), frozenset()
    deadline_s = 5.0
    not_before = 0.0

    def send(self, *args):
        time.sleep(max(0.0, self.not_before - time.monotonic()))
        response = super().send(*args)
        self.read_field(response.headers.get("RateLimit"))
        return response

    def read_field(self, field):
        found = FIELD.fullmatch(field or "")
        if found and int(found[1]) == 0:
            self.not_before = time.monotonic() + self.wait_for(int(found[2]))

    def wait_for(self, reset):
        return float(reset)


class TakesResetForAnInstant(ObeysTheFields):
    """t is read as seconds since the epoch, which are long over."""

    EXPECT = frozenset({"RAF005"})

    def wait_for(self, reset):
        return reset - time.time()


class CrashesOnOddFields(ObeysTheFields):
    """int() unguarded."""

    EXPECT = frozenset({"RAF005"})

    def read_field(self, field):
        if field is not None:
            pairs = dict(pair.split("=") for pair in field.split(";")[1:])
            if int(pairs["r"]) == 0:
                self.not_before = time.monotonic() + int(pairs["t"])


class CrashesOnOddFieldsOnRequests(SoundOnRequests):
    """The same on requests."""

    PROFILE = ObeysTheFields.PROFILE
    INVARIANTS, EXPECT = ("RAF005",), frozenset({"RAF005"})

    def exchange(self, *args):
        response = super().exchange(*args)
        CrashesOnOddFields.read_field(self, response.headers.get("RateLimit"))
        return response


class PrefersTheFields(ObeysTheFields):
    """Retry-After gives way to a shorter t."""

    EXPECT = frozenset({"RAF001", "RAF005"})

    def asked_s(self, response):
        found = FIELD.fullmatch(response.headers.get("RateLimit", ""))
        return float(found[2]) if found else super().asked_s(response)


class KnowsNothingOfTheFields(Sound):
    """Trap: never heard of such fields, and promises nothing of them."""

    INVARIANTS = ("RAF001",)
