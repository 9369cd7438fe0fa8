"""BUD and CBK: load under an outage. Their storms take a minute each."""

import asyncio
import time

from galeproof import read

from .policy import JSON, NOTHING, Answer, Failure, promise
from .transports import Waiting, WithAiohttp

BREAKS = {"calls": 20, "reset_s": 3.0, "probes": 1}
ONCE = promise(max_attempts=1, read_timeout_s=2.0, breaker=BREAKS)


class Circuit:
    """Opens after a number of failures in a row, lets one probe pass after the reset period."""

    LIMIT, RESET = 20, 3.0

    def __init__(self):
        self.failed, self.until, self.probing = 0, 0.0, False

    def admits(self):
        """Whether a request may go."""
        if self.failed < self.LIMIT:
            return True
        if time.monotonic() < self.until or self.probing:
            return False
        self.probing = True
        return True

    def heard(self, good):
        """Count an answer."""
        self.probing = False
        if good:
            self.failed = 0
            return
        self.failed += 1
        if self.failed >= self.LIMIT:
            self.until = time.monotonic() + self.RESET


class Breaking(WithAiohttp):
    """A client with a breaker."""

    ATTEMPTS, TIMEOUT = 1, 2.0

    def opened(self):
        self.circuit = Circuit()

    def bad(self, answer):
        """What counts."""
        return answer.fault is not None or answer.status >= 500 or answer.status == 429

    async def drive(self, op):
        if not self.circuit.admits():
            return None, Failure("the circuit is open")
        return await super().drive(op)

    def seen(self, op, answer, number):
        self.circuit.heard(not self.bad(answer))


class SoundBreaker(Breaking):
    """Sound: consecutive failures, one probe, three seconds."""

    PROFILE, EXPECT, INVARIANTS, MAY = ONCE, NOTHING, ("CBK001", "CBK002", "CBK003"), {}


class CountsTheLost(Breaking):
    """Takes 404 and 422 for signs of illness."""

    PROFILE, EXPECT, INVARIANTS = ONCE, frozenset({"CBK004"}), ("CBK004",)
    MAY = {}

    def bad(self, answer):
        return answer.fault is not None or answer.status >= 400


class LongerEachTime(Breaking):
    """Opens for three seconds, then nine, then twenty-seven: who is back is not asked."""

    PROFILE, EXPECT, INVARIANTS = ONCE, frozenset({"CBK003"}), ("CBK001", "CBK003")
    MAY = {"CBK002": "there is one probe only"}

    class Slow(Circuit):
        """Its own reset period grows."""

        def heard(self, good):
            super().heard(good)
            if not good and self.failed > self.LIMIT + 1:
                self.RESET = min(self.RESET * 3, 600)
                self.until = time.monotonic() + self.RESET

    def opened(self):
        self.circuit = self.Slow()


class Counting(Circuit):
    """The same; a success forgives nothing unless it was a probe's."""

    def heard(self, good):
        if not good or self.probing or self.failed >= self.LIMIT:
            super().heard(good)


class OneForAll(WithAiohttp):
    """One breaker for all hosts, in the class."""

    PROFILE, EXPECT, INVARIANTS = ONCE, frozenset({"CBK005"}), ("CBK005",)
    MAY = {}
    ATTEMPTS, TIMEOUT = 1, 2.0
    circuit = Counting()

    def __init__(self, base_url, secrets, other_url=None):
        super().__init__(base_url, secrets)
        self.other = other_url
        type(self).circuit = Counting()

    async def drive(self, op):
        if not self.circuit.admits():
            return None, Failure("the circuit is open")
        return await super().drive(op)

    def seen(self, op, answer, number):
        self.circuit.heard(answer.fault is None and answer.status < 500)

    async def exchange(self, method, path, heads, body, span):
        if path.startswith("/other/"):
            return await Elsewhere.to(self, self.other, method, path, heads, body, span)
        return await super().exchange(method, path, heads, body, span)

    @read(answer=JSON, origin="other")
    async def fetch_other(self, ref):
        return await self.call("GET", f"/other/{ref}")


class Elsewhere:
    """The same exchange at another base."""

    @staticmethod
    async def to(client, base, method, path, heads, body, span):
        """Exchange over a connection of its own."""
        import aiohttp

        try:
            async with (
                asyncio.timeout(span),
                aiohttp.ClientSession() as session,
                session.request(method, base + path, headers=heads, data=body, allow_redirects=False) as got,
            ):
                return Answer(got.status, {}, await got.read())
        except TimeoutError:
            return Answer(fault="timeout")
        except aiohttp.ClientError:
            return Answer(fault="reset")


class OneForEach(OneForAll):
    """Sound: a breaker for each host."""

    EXPECT, INVARIANTS = NOTHING, ("CBK005",)

    def opened(self):
        self.circuits = {"/other/": Circuit(), "/items/": Circuit()}

    async def drive(self, op):
        if not self.circuits["/" + op["path"].split("/")[1] + "/"].admits():
            return None, Failure("the circuit is open")
        return await WithAiohttp.drive(self, op)

    def seen(self, op, answer, number):
        self.circuits["/" + op["path"].split("/")[1] + "/"].heard(
            answer.fault is None and answer.status < 500
        )


class RetriesPayForRetries(WithAiohttp):
    """A budget of retries, into which each attempt pays, retries too, and as much as one costs."""

    PROFILE = promise(retry_budget=True)
    EXPECT, INVARIANTS = frozenset({"BUD001"}), ("BUD001",)
    MAY = {}
    purse = 10.0
    PAYS = 1.0

    def again(self, op, answer, number):
        self.purse = min(50.0, self.purse + self.PAYS)
        if super().again(op, answer, number) and self.purse >= 1:
            self.purse -= 1
            return True
        return False


class OneInTen(RetriesPayForRetries):
    """Sound: an operation pays a tenth of a retry."""

    EXPECT, INVARIANTS, PAYS = NOTHING, ("BUD001",), 0.0

    def op(self, *given):
        self.purse = min(20.0, self.purse + 0.1)
        return super().op(*given)


class FreshSemaphore(WithAiohttp):
    """Its bulkhead is a semaphore that each call makes for itself."""

    PROFILE = promise(max_attempts=1, read_timeout_s=1.0, bulkhead={"limit": 40, "per_route": 20})
    EXPECT, INVARIANTS = frozenset({"BUD003"}), ("BUD003",)
    MAY = {}
    ATTEMPTS, TIMEOUT = 1, 1.0

    async def drive(self, op):
        async with asyncio.Semaphore(20):
            return await super().drive(op)


class TwoCompartments(FreshSemaphore):
    """Sound: twenty for each route; who finds no place in half a second is told so."""

    EXPECT, INVARIANTS = NOTHING, ("BUD003",)

    def opened(self):
        self.places = {"GET": asyncio.Semaphore(20), "POST": asyncio.Semaphore(20)}

    async def drive(self, op):
        place = self.places[op["method"]]
        try:
            await asyncio.wait_for(place.acquire(), 0.5)
        except TimeoutError:
            return None, Failure("no place")
        try:
            return await Waiting.drive(self, op)
        finally:
            place.release()
