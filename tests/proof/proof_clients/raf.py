"""Mutants and traps: Retry-After."""

from __future__ import annotations

import calendar
import concurrent.futures
import random
import threading
import time
from email.utils import parsedate, parsedate_tz

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from galeproof import read
from proof_clients.libraries import SoundOnRequests
from proof_clients.sound import PROFILE, READ, Failed, Sound

DATES = {"RAF002": "a date is treated as seconds are"}

# -- RAF001 ------------------------------------------------------------------------------------------

class IgnoresRetryAfter(Sound):
    """The header is not looked at."""

    INVARIANTS, EXPECT = ("RAF001",), frozenset({"RAF001", "RAF004"})
    MAY = DATES

    def obeyed(self, seconds):
        return 0.0


class CapsRetryAfter(Sound):
    """min(v, 1)."""

    INVARIANTS, EXPECT = ("RAF001",), frozenset({"RAF001", "RAF004"})
    MAY = DATES

    def obeyed(self, seconds):
        return min(seconds, 1.0)


class PatientAndJittered(Sound):
    """Trap: v plus jitter of up to half a second."""

    INVARIANTS = ("RAF001",)
    PROFILE = {**PROFILE, "deadline_s": 5.0}
    deadline_s = 5.0

    def obeyed(self, seconds):
        return seconds + random.uniform(0, 0.5)


# -- RAF002 ------------------------------------------------------------------------------------------

class WaitsForDates(Sound):
    """Trap: waits until the date in each format, and a little longer."""

    PROFILE = {**PROFILE, "deadline_s": 6.0, "retry_after_max_s": 5.0}
    INVARIANTS = ("RAF002",)
    deadline_s = 6.0


class CountsFromTheDateHeader(WaitsForDates):
    """Trap: measures Retry-After against the answer's own Date, whatever its clock says."""

    def until_s(self, date, response):
        until, said = parsedate_tz(date), parsedate_tz(response.headers["Date"])
        return float(calendar.timegm(until[:6]) - calendar.timegm(said[:6]))


class FailsFastOnDates(WaitsForDates):
    """Trap: a busy answer with a date is left to the caller at once."""

    def may_sleep(self, delay, until):
        return delay < 1 and super().may_sleep(delay, until)


class DateMeansZero(WaitsForDates):
    """`parseInt(value) || 0`: a date is 0 ms."""

    EXPECT = frozenset({"RAF002"})
    MAY = {"RTY006": "a date in the past makes every retry immediate"}

    def wait_s(self, attempt, response):
        if response is not None and "GMT" in response.headers.get("Retry-After", ""):
            return 0.0
        return super().wait_s(attempt, response)


class DateMeansZeroOnRequests(SoundOnRequests):
    """The same on requests."""

    PROFILE = WaitsForDates.PROFILE
    INVARIANTS, EXPECT = ("RAF002",), frozenset({"RAF002"})
    MAY = DateMeansZero.MAY
    deadline_s = 6.0
    wait_s = DateMeansZero.wait_s


class FloatOfDate(WaitsForDates):
    """`float(value)` raises: the caller gets a ValueError."""

    EXPECT = frozenset({"RAF002"})

    def asked_s(self, response):
        value = response.headers.get("Retry-After")
        return float(value) if value else 0.0


class DateInLocalTime(WaitsForDates):
    """The date is read as local time: in Tokyo it is nine hours over."""

    EXPECT = frozenset({"RAF002"})

    def until_s(self, date, response):
        return time.mktime(parsedate(date)) - time.time()


class OffsetTheWrongWay(WaitsForDates):
    """The offset of the local zone is taken off a date that is GMT already: wrong in California."""

    EXPECT = frozenset({"RAF002"})

    def until_s(self, date, response):
        return calendar.timegm(parsedate(date)) - time.timezone - time.time()


class KnowsOneFormat(WaitsForDates):
    """rfc850 and asctime dates are not understood: plain backoff."""

    EXPECT = frozenset({"RAF002"})

    def until_s(self, date, response):
        return super().until_s(date, response) if date[3:5] == ", " else 0.0


class HotOnPastDates(WaitsForDates):
    """A negative wait is no wait: a date in the past is asked again and again at once."""

    EXPECT = frozenset({"RAF002"})
    MAY = {"RTY006": "the hot loop is its matter too"}

    def wait_s(self, attempt, response):
        past = response is not None and response.headers.get("Retry-After") and self.asked_s(response) < 0
        return 0.0 if past else super().wait_s(attempt, response)


class Urllib3Dates:
    """Trap: urllib3's own reading of dates."""

    PROFILE = {"max_attempts": 3, "retry_on": [429, 503]}
    INVARIANTS = ("RAF002",)
    EXPECT: frozenset[str] = frozenset()
    MAY: dict[str, str] = {}
    deadline_s = 5.5

    def __init__(self, base_url, secrets):
        self.base, self.key = base_url, secrets["api_key"]
        self.http = requests.Session()
        retry = Retry(2, backoff_factor=0.1, status_forcelist=[429, 503], raise_on_status=False)
        self.http.mount("http://", HTTPAdapter(max_retries=retry, pool_maxsize=100))

    @read(answer=READ)
    def fetch(self, ref):
        """The caller keeps a deadline around it, in a thread that dies with the process."""
        done = concurrent.futures.Future()
        threading.Thread(target=self.call, args=(done, ref), daemon=True).start()
        try:
            response = done.result(self.deadline_s)
        except concurrent.futures.TimeoutError:
            raise Failed("deadline") from None
        if response.status_code >= 300:
            raise Failed(str(response.status_code))
        return response.json()

    def call(self, done, ref):
        try:
            done.set_result(self.http.get(f"{self.base}/payments/{ref}", timeout=2,
                                          headers={"Authorization": self.key}))
        except requests.RequestException as error:
            done.set_exception(Failed(type(error).__name__))


# -- RAF004 ------------------------------------------------------------------------------------------

class SixHourCap(Urllib3Dates):
    """Trap: urllib3 would sleep for six hours; its caller enforces the deadline."""

    PROFILE = {**Urllib3Dates.PROFILE, "deadline_s": 3.0}
    deadline_s = 3.0
    INVARIANTS = ("RAF004",)


class RefusesLongWaits(Sound):
    """Trap: refuses at once what is over its limit, and says for how long."""

    INVARIANTS = ("RAF004",)

    def may_sleep(self, delay, until):
        if delay > 3.2:
            raise Failed(f"busy for {delay:.0f} s")
        return super().may_sleep(delay, until)


class SleepsOn(Sound):
    """Sleeps for as long as it is told to, whatever the deadline."""

    INVARIANTS, EXPECT = ("RAF004",), frozenset({"RAF004", "TMO006"})

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.closed = threading.Event()

    def wait_s(self, attempt, response):
        if self.closed.wait(min(super().wait_s(attempt, response), 1e6)):
            raise Failed("closed")
        return 0.0

    def close(self):
        self.closed.set()
        super().close()


class RetriesEarly(Sound):
    """Falls back to its own backoff where Retry-After is over a threshold."""

    INVARIANTS, EXPECT = ("RAF004",), frozenset({"RAF001", "RAF004"})
    MAY = DATES

    def obeyed(self, seconds):
        return seconds if seconds <= 3.2 else 0.0


class AtMostAMomentMore(Sound):
    """Adds at most half a second for what it is asked, as botocore's new mode adds five."""

    INVARIANTS, EXPECT = ("RAF004",), frozenset({"RAF001", "RAF004"})
    MAY = DATES

    def obeyed(self, seconds):
        return min(seconds, 0.5)


class RetriesEarlyOnRequests(SoundOnRequests):
    """RetriesEarly on requests."""

    INVARIANTS, EXPECT = ("RAF004",), frozenset({"RAF001", "RAF004"})
    MAY = DATES
    obeyed = RetriesEarly.obeyed
