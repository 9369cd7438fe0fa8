"""A few more, written after the first score: what might be overlooked."""

import asyncio
import json
import logging

from .oau import ReadsEachTime, WithTokens
from .policy import ERRORS, Answer, Limited, promise
from .transports import Waiting, WithHttpx

LOG = logging.getLogger("second")


class LogsTheRefreshToken(WithTokens):
    """Logs the refresh token with which it was born, when it uses it."""

    EXPECT, INVARIANTS, MAY = frozenset({"SEC001"}), ("OAU001", "OAU002"), {}

    async def renew(self, old):
        LOG.info("refreshing with %s", self.refresh.reveal())
        return await super().renew(old)


class LogsTheRotated(ReadsEachTime):
    """Logs a secret when it has changed: the new one only."""

    EXPECT, INVARIANTS, MAY = frozenset({"SEC001"}), ("OAU003",), {}
    was = None

    def heads(self, op, number):
        heads = super().heads(op, number)
        if self.was not in (None, heads["Authorization"]):
            LOG.info("rotated to %s", heads["Authorization"])
        self.was = heads["Authorization"]
        return heads


class DropsRetryAfter(WithHttpx):
    """Its error of a 429 has lost how long to wait."""

    PROFILE, EXPECT, INVARIANTS = promise(errors=ERRORS), frozenset({"ERR001"}), ("ERR001",)
    MAY = {}

    def failure(self, op, answer):
        error = super().failure(op, answer)
        if isinstance(error, Limited):
            error.retry_after = None
        return error


class MarksItsRetries(WithHttpx):
    """Tells the provider in the query that this is a retry."""

    PROFILE, EXPECT, INVARIANTS = promise(), frozenset({"RTY007"}), ("RTY007",)
    MAY = {"IDM005": "another target under the same key"}

    def target(self, op, number):
        return op["path"] + (f"?retry={number - 1}" if number > 1 else "")


class MixesAnswers(Waiting):
    """Keeps raw connections, and puts one back also where its caller was cancelled: the next caller reads
    the answer of the one before."""

    PROFILE, EXPECT, INVARIANTS = (
        promise(max_attempts=1, read_timeout_s=1.0),
        frozenset({"CON002"}),
        ("CON002",),
    )
    MAY = {
        "CON001": "an idle connection is not looked at",
        "TMO008": "the connection stays",
        "ERR002": "mixed",
    }
    ATTEMPTS, TIMEOUT = 1, 1.0

    def opened(self):
        self.kept = []

    async def talk(self, method, path, heads, body):
        self.kept = [k for k in self.kept if not k[0].at_eof()]
        reader, writer = self.kept.pop() if self.kept else await self.dial()
        good = True
        try:
            lines = [f"{method} {path} HTTP/1.1", "Host: here", f"Content-Length: {len(body or b'')}"]
            lines += [f"{k}: {v}" for k, v in heads.items()]
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b""))
            got = await self.heard(reader)
            good = got.headers.get("connection", "").lower() != "close"
            return got
        except (OSError, ValueError, asyncio.IncompleteReadError):
            good = False
            return Answer(fault="reset")
        finally:
            if good and not reader.at_eof():
                self.kept.append((reader, writer))


class ForgetsItsCapOn429(WithHttpx):
    """Three attempts, but nine where it is told 429."""

    PROFILE, EXPECT, INVARIANTS = promise(), frozenset({"RTY001"}), ("RTY001", "RAF001", "RAF004")
    MAY = {"RAF004": "none"}
    ATTEMPTS = 9

    def again(self, op, answer, number):
        return (number < 3 or answer.status == 429) and super().again(op, answer, number)


class EmptySuccess(WithHttpx):
    """After its last attempt a read of a provider that is down is an empty object, and no error."""

    PROFILE, EXPECT, INVARIANTS = promise(errors=ERRORS), frozenset({"ERR001"}), ("ERR001",)
    MAY = {"ERR002": "the same", "RTY003": "the same", "OBS003": "an unmarked value"}

    def conclude(self, op, answer):
        value, error = super().conclude(op, answer)
        if error is not None and answer.status >= 500 and op["method"] == "GET":
            return json.loads("{}"), None
        return value, error


class TimeIsNoAnswer(Waiting):
    """No key. A payment that was not answered in time is sent again."""

    PROFILE = {k: v for k, v in promise().items() if k != "idempotency_key"}
    EXPECT, INVARIANTS = frozenset({"IDM001"}), ("IDM001",)
    MAY = {"IDM007": "what is sent twice is made twice"}
    KEYED = False

    def again(self, op, answer, number):
        return answer.fault == "timeout" or super().again(op, answer, number)
