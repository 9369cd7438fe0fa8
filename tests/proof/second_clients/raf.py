"""RAF: Retry-After."""

import asyncio
import calendar
import datetime
import decimal
import email.utils
import random
import re
import time

from .policy import ERRORS, NOTHING, promise
from .transports import Blocking, Waiting, WithAiohttp, WithHttpx, WithRequests


def seconds_of(answer):
    """Seconds of a Retry-After, a number or a date of any of three forms, by the answer's own clock."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit() and len(text) < 12:
        return float(text)
    at = moment(text)
    if at is None:
        return None
    now = moment(answer.headers.get("date", "")) or time.time()
    return max(0.0, at - now + 1.0)


def moment(text):
    """An HTTP date, as seconds of the epoch."""
    for form in ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"):
        try:
            return calendar.timegm(time.strptime(text, form))
        except (ValueError, OverflowError):
            pass
    return None


class BusyIsNotDown(Waiting):
    """Obeys a 429; a 503 is asked again by its own backoff, whatever it says."""

    PROFILE, EXPECT, INVARIANTS = promise(), frozenset({"RAF001"}), ("RAF001",)
    MAY = {"RAF004": "asks before a minute is over", "RAF002": "a date of a 503", "RAF005": "the same"}

    def asked(self, answer):
        return seconds_of(answer) if answer.status == 429 else None


class NaiveNow(WithRequests):
    """Compares the date in GMT with datetime.now(), which is Tokyo's."""

    PROFILE, EXPECT, INVARIANTS = promise(), frozenset({"RAF002"}), ("RAF002",)
    MAY = {}

    def asked(self, answer):
        text = answer.headers.get("retry-after", "")
        if text.isascii() and text.isdigit():
            return float(text[:9])
        at = moment(text)
        if at is None:
            return None
        date = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=at)
        return max(0.0, (date - datetime.datetime.now()).total_seconds())


class Exact(WithHttpx):
    """Reads the number as a Decimal, whose error is none that its caller knows."""

    PROFILE = promise(errors=ERRORS)
    EXPECT, INVARIANTS = frozenset({"RAF003"}), ("RAF003",)
    MAY = {"ERR001": "the same error", "RAF002": "dates are no Decimal", "RAF005": "the same"}

    def asked(self, answer):
        text = answer.headers.get("retry-after")
        return None if text is None else float(max(decimal.Decimal(text), decimal.Decimal(0)))


class FitsItIn(Waiting):
    """What is asked for and does not fit is made to fit: it asks just before its deadline."""

    PROFILE = promise(deadline_s=2.0, retry_after_max_s=2.0)
    EXPECT, INVARIANTS = frozenset({"RAF004"}), ("RAF004",)
    MAY = {
        "RAF001": "the same early attempt",
        "RAF002": "dates alike",
        "TMO006": "by a hair",
        "TMO007": "by a hair",
    }
    DEADLINE = 2.0

    def steps(self, op):
        self.until = op["began"] + 1.5
        return super().steps(op)

    def wait(self, answer, number):
        asked = seconds_of(answer)
        return (
            self.delay(number)
            if asked is None
            else min(asked + 0.05, max(0.1, self.until - time.monotonic()))
        )


class ReadsMilliseconds(Waiting):
    """Reads the RateLimit fields, t in milliseconds."""

    PROFILE = promise(rate_limit_fields=True)
    EXPECT, INVARIANTS = frozenset({"RAF005"}), ("RAF005",)
    MAY = {}
    UNIT, until = 0.001, 0.0

    def seen(self, op, answer, number):
        found = re.fullmatch(
            r'\s*"[^"]*"\s*;\s*r=(\d{1,6})\s*;\s*t=(\d{1,6})\s*', answer.headers.get("ratelimit", "")
        )
        if found and int(found[1]) == 0:
            self.until = max(self.until, time.monotonic() + int(found[2]) * self.UNIT)

    def asked(self, answer):
        return seconds_of(answer)

    async def drive(self, op):
        while (rest := self.until - time.monotonic()) > 0:
            await asyncio.sleep(rest + random.uniform(0.05, 0.4))
        return await super().drive(op)


class ReadsTheFields(ReadsMilliseconds):
    """Reads the RateLimit fields, as they are meant."""

    EXPECT, INVARIANTS, MAY = NOTHING, ("RAF005", "RAF001"), {}
    UNIT = 1.0


class LeavesItToTheCaller(WithHttpx):
    """Whoever is told to wait is told by an error: there is no wait in this client."""

    PROFILE = promise(errors=ERRORS, retry_on=["connect", "reset", "timeout", 502, 503, 504], deadline_s=3.0)
    EXPECT, INVARIANTS = NOTHING, ("RAF001", "RAF002", "RAF003", "RAF004")
    MAY = {"RTY003": "a 503 with Retry-After is left to the caller"}
    DEADLINE = 3.0

    def again(self, op, answer, number):
        return (
            "retry-after" not in answer.headers and answer.status != 429 and super().again(op, answer, number)
        )

    def asked(self, answer):
        return seconds_of(answer)


class LaterThanAsked(WithAiohttp):
    """Waits for what is asked, by the provider's own clock, and up to half a second more."""

    PROFILE = promise(retry_after_max_s=8.0, errors=ERRORS)
    EXPECT, INVARIANTS = NOTHING, ("RAF001", "RAF002", "RAF003")
    MAY = {}
    MAX_WAIT = 9.0

    def asked(self, answer):
        return seconds_of(answer)

    def wait(self, answer, number):
        asked = self.asked(answer)
        return self.delay(number) if asked is None else asked + random.uniform(0.1, 0.5)


class AcceptsHalves(Blocking):
    """Takes 1.5 for what it is, and everything else that is no number for nothing said."""

    PROFILE = promise(errors=ERRORS)
    EXPECT, INVARIANTS = NOTHING, ("RAF003", "RAF001")
    MAY = {"RAF002": "it reads no dates"}

    def asked(self, answer):
        text = answer.headers.get("retry-after", "").strip()
        return float(text) if re.fullmatch(r"\d{1,9}(\.\d{1,3})?", text, re.ASCII) else None


class MinutesOnly(WithRequests):
    """Reads IMF dates through email.utils, and mistakes the two-digit year of the older form."""

    PROFILE, EXPECT, INVARIANTS = promise(), frozenset({"RAF002"}), ("RAF002",)
    MAY = {}

    def asked(self, answer):
        text = answer.headers.get("retry-after", "")
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            at = email.utils.parsedate_to_datetime(text)
        except (TypeError, ValueError):
            return None
        if at.tzinfo is None:
            return None
        return max(0.0, at.timestamp() - time.time() + 1.0) if text[3:4] == "," else 0.5
